package controller

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// Metrics counts what the loop does. The zero value does not work; use NewMetrics.
type Metrics struct {
	syncs     *prometheus.HistogramVec
	decisions *prometheus.CounterVec

	slotsMoved, keysMoved, bytesMoved prometheus.Counter
	migrations                        prometheus.Histogram
}

// NewMetrics makes the loop's metrics and registers them.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		syncs: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "redis_operator_reconcile_duration_seconds",
			Help:    "How long one look at a cluster and one step took, by result.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}, []string{"result"}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redis_operator_decisions_total",
			Help: "Decisions of the rules, by reason.",
		}, []string{"reason"}),
		slotsMoved: movedCounter("slots", "Slots that were moved to another master."),
		keysMoved:  movedCounter("keys", "Keys that were moved to another master with their slots."),
		bytesMoved: movedCounter("bytes", "Memory of the keys that were moved, estimated."),
		migrations: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "redis_operator_migration_duration_seconds",
			Help:    "How long slots were on the move, from the first to the last.",
			Buckets: prometheus.ExponentialBuckets(0.1, 4, 10),
		}),
	}
	for _, c := range []prometheus.Collector{
		m.syncs, m.decisions, m.slotsMoved, m.keysMoved, m.bytesMoved, m.migrations,
	} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Metrics) synced(took time.Duration, err error) {
	result := "success"
	switch {
	case outdated(err):
		result = "outdated" // no fault: it is looked again
	case err != nil:
		result = "error"
	}
	m.syncs.WithLabelValues(result).Observe(took.Seconds())
}

func movedCounter(what, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{
		Name: "redis_operator_migration_" + what + "_moved_total", Help: help,
	})
}

// moved counts what came of moves.
func (m *Metrics) moved(moved []redis.Moved) {
	for i := range moved {
		m.slotsMoved.Add(float64(moved[i].Slots.Len()))
		m.keysMoved.Add(float64(max(0, moved[i].Keys)))
		m.bytesMoved.Add(float64(max(0, moved[i].Bytes)))
	}
}

func (m *Metrics) migrated(took time.Duration) { m.migrations.Observe(took.Seconds()) }

func (m *Metrics) decided(reason string) { m.decisions.WithLabelValues(reason).Inc() }

// clusterCollector says how each cluster is, from its last status, at the moment of a scrape: nothing
// is left behind by a cluster that is gone.
type clusterCollector struct {
	stores []Stores
	gauges []clusterGauge
}

type clusterGauge struct {
	desc  *prometheus.Desc
	value func(rc *redisv1.RedisCluster) float64
}

// NewClusterCollector makes a collector of the gauges of all clusters in these stores.
func NewClusterCollector(stores []Stores) prometheus.Collector {
	gauge := func(name, help string, value func(rc *redisv1.RedisCluster) float64) clusterGauge {
		return clusterGauge{
			desc:  prometheus.NewDesc("redis_operator_cluster_"+name, help, []string{"namespace", "cluster"}, nil),
			value: value,
		}
	}
	return &clusterCollector{stores: stores, gauges: []clusterGauge{
		gauge("ready", "1 when the condition Ready is True.", func(rc *redisv1.RedisCluster) float64 {
			if meta.IsStatusConditionTrue(rc.Status.Conditions, redisv1.ConditionReady) {
				return 1
			}
			return 0
		}),
		gauge("masters", "Masters that own slots.",
			func(rc *redisv1.RedisCluster) float64 { return float64(rc.Status.NumberOfMaster) }),
		gauge("migration_slots_left", "Slots that are still to move to another master.",
			func(rc *redisv1.RedisCluster) float64 {
				if rc.Status.Migration == nil {
					return 0
				}
				return float64(rc.Status.Migration.SlotsLeft)
			}),
		gauge("migration_slots_blocked", "Slots that cannot move until somebody does something about it, at most 16.",
			func(rc *redisv1.RedisCluster) float64 {
				if rc.Status.Migration == nil {
					return 0
				}
				return float64(len(rc.Status.Migration.Blocked))
			}),
		gauge("slots_assigned", "Slots with an owner, of 16384.",
			func(rc *redisv1.RedisCluster) float64 { return float64(rc.Status.SlotsAssigned) }),
		gauge("pods_ready", "Pods that are ready.",
			func(rc *redisv1.RedisCluster) float64 { return float64(rc.Status.PodsReady) }),
		gauge("pods_wanted", "Pods that the spec asks for.",
			func(rc *redisv1.RedisCluster) float64 { return float64(rc.Status.PodsWanted) }),
		gauge("replicas_min", "Fewest synced replicas of a master.",
			func(rc *redisv1.RedisCluster) float64 { return float64(rc.Status.MinReplicationFactor) }),
	}}
}

// Describe implements prometheus.Collector.
func (c *clusterCollector) Describe(out chan<- *prometheus.Desc) {
	for _, g := range c.gauges {
		out <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (c *clusterCollector) Collect(out chan<- prometheus.Metric) {
	for _, s := range c.stores {
		// A lister over an informer's store does not fail.
		clusters, err := s.Clusters.List(labels.Everything())
		if err != nil {
			out <- prometheus.NewInvalidMetric(c.gauges[0].desc, err)
			return
		}
		for _, rc := range clusters {
			for _, g := range c.gauges {
				out <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.value(rc), rc.Namespace, rc.Name)
			}
		}
	}
}
