package operator

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/util/workqueue"
)

// queueMetrics gives the workqueue's metrics the names that Kubernetes' own controllers use.
type queueMetrics struct {
	depth                      *prometheus.GaugeVec
	adds, retries              *prometheus.CounterVec
	latency, duration          *prometheus.HistogramVec
	unfinished, longestRunning *prometheus.GaugeVec
}

func newQueueMetrics(r prometheus.Registerer) (*queueMetrics, error) {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "workqueue_" + name, Help: help}, []string{"name"})
	}
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "workqueue_" + name, Help: help}, []string{"name"})
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "workqueue_" + name, Help: help, Buckets: prometheus.ExponentialBuckets(0.0001, 4, 11),
		}, []string{"name"})
	}
	m := &queueMetrics{
		depth:          gauge("depth", "Keys that wait."),
		adds:           counter("adds_total", "Keys added."),
		retries:        counter("retries_total", "Keys added again after an error."),
		latency:        histogram("queue_duration_seconds", "How long a key waited."),
		duration:       histogram("work_duration_seconds", "How long the work on a key took."),
		unfinished:     gauge("unfinished_work_seconds", "Seconds of work in hand that is not finished."),
		longestRunning: gauge("longest_running_processor_seconds", "Seconds of the longest work in hand."),
	}
	return m, errors.Join(r.Register(m.depth), r.Register(m.adds), r.Register(m.retries), r.Register(m.latency),
		r.Register(m.duration), r.Register(m.unfinished), r.Register(m.longestRunning))
}

func (m *queueMetrics) NewDepthMetric(name string) workqueue.GaugeMetric {
	return m.depth.WithLabelValues(name)
}

func (m *queueMetrics) NewAddsMetric(name string) workqueue.CounterMetric {
	return m.adds.WithLabelValues(name)
}

func (m *queueMetrics) NewLatencyMetric(name string) workqueue.HistogramMetric {
	return m.latency.WithLabelValues(name)
}

func (m *queueMetrics) NewWorkDurationMetric(name string) workqueue.HistogramMetric {
	return m.duration.WithLabelValues(name)
}

func (m *queueMetrics) NewUnfinishedWorkSecondsMetric(name string) workqueue.SettableGaugeMetric {
	return m.unfinished.WithLabelValues(name)
}

func (m *queueMetrics) NewLongestRunningProcessorSecondsMetric(name string) workqueue.SettableGaugeMetric {
	return m.longestRunning.WithLabelValues(name)
}

func (m *queueMetrics) NewRetriesMetric(name string) workqueue.CounterMetric {
	return m.retries.WithLabelValues(name)
}
