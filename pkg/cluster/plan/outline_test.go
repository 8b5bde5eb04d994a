package plan_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

func TestOutline(t *testing.T) {
	t.Parallel()
	for sentence, test := range map[string]struct {
		world  *clustertest.World
		wanted plan.Wanted
		edit   func(*cluster.View)
		want   plan.Outlined
	}{
		"nothing is to be done": {world: clustertest.Cluster(3, 1), wanted: threeByOne},
		"a new cluster": {world: clustertest.New(clustertest.Settings{}), wanted: unformed, want: plan.Outlined{
			Steps: []string{
				"creating 6 pods: pod-0, pod-1, pod-2, pod-3 and 2 more", "giving 16384 slots to 3 primaries",
				"making replicas: a new pod of new shard 1, a new pod of new shard 2 and a new pod of new shard 3",
			},
			PodsCreated: []int{0, 1, 2, 3, 4, 5},
		}},
		"what a pause holds back is said all the same": {
			world:  clustertest.Cluster(3, 0),
			wanted: plan.Wanted{Primaries: 3, Replicas: 1, Bootstrapped: true, Paused: true},
			want: plan.Outlined{
				Steps: []string{
					"creating 3 pods: demo-3, demo-4 and demo-5",
					"making replicas: a new pod of demo-0, a new pod of demo-1 and a new pod of demo-2",
				},
				PodsCreated: []int{3, 4, 5},
			},
		},
		"a node that is away: what comes after nobody can say": {
			world: clustertest.Cluster(3, 1).Hide("demo-4", true), wanted: want(5, 1),
			want: plan.Outlined{Waits: "demo-4 does not answer: dial tcp 10.0.0.15:6379: i/o timeout"},
		},
		"pods that are starting are taken for started": {
			world: starting(), wanted: want(3, 1), want: plan.Outlined{
				Steps:       []string{"deleting 2 pods, one after the other: demo-7 and demo-6"},
				PodsDeleted: []string{"demo-7", "demo-6"},
			},
		},
		"a refusal has its figures, and nothing is done": {
			world: clustertest.Cluster(4, 0), wanted: want(3, 0),
			edit: func(v *cluster.View) {
				for _, m := range v.Members {
					i := info(v, m.Pod.Name)
					i.DataBytes, i.UsedBytes, i.MaxBytes = 30<<20, 40<<20, 45<<20
				}
			},
			want: plan.Outlined{Refused: "the data does not fit into 3 primaries: demo-0 would need 50.0 MiB (maxmemory 45.0 MiB)," +
				" demo-1 would need 50.0 MiB (maxmemory 45.0 MiB) and demo-2 would need 50.0 MiB (maxmemory 45.0 MiB)"},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			view := test.world.View()
			if test.edit != nil {
				test.edit(&view)
			}
			before := clustertest.Describe(view)
			if got := plan.Outline(test.wanted, view); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
			if clustertest.Describe(view) != before {
				t.Error("the view has changed")
			}
		})
	}
}

// starting is a cluster with two pods that have not started yet.
func starting() *clustertest.World {
	w := clustertest.Cluster(3, 1)
	_ = w.Apply(plan.CreatePods{Ordinals: []int{6, 7}})
	return w
}

func TestOutline_Moves(t *testing.T) {
	t.Parallel()
	o := plan.Outline(want(4, 1), clustertest.Cluster(3, 1).View())
	slots, keys, data := 0, int64(0), int64(0)
	for _, m := range o.Moves {
		if m.To != "new shard 1" || !strings.HasPrefix(m.From, "demo-") {
			t.Errorf("from %s to %s", m.From, m.To)
		}
		slots, keys, data = slots+m.Slots.Len(), keys+m.Keys, data+m.Bytes
	}
	if o.Slots != 4096 || slots != 4096 || o.Keys != keys || o.Bytes != data {
		t.Errorf("%d slots, %d keys and %d bytes in moves of %d, %d and %d", o.Slots, o.Keys, o.Bytes, slots, keys, data)
	}
	if o.Keys != 2*4096 || o.Bytes != 2*4096*clustertest.KeyBytes { // there are two in each slot
		t.Errorf("%d keys and %d bytes", o.Keys, o.Bytes)
	}
}

func TestOutlined_Duration(t *testing.T) {
	t.Parallel()
	speed := plan.Speed{SlotsPerSecond: 100, KeysPerSecond: 1000, BytesPerSecond: 1 << 20, PodStart: 5 * time.Second, PodNext: time.Second, PodStop: 2 * time.Second}
	for sentence, test := range map[string]struct {
		o    plan.Outlined
		want time.Duration
	}{
		"nothing":                        {want: 0},
		"pods start one by one":          {plan.Outlined{PodsCreated: []int{6, 7, 8}}, 7 * time.Second},
		"pods go one after the other":    {plan.Outlined{PodsDeleted: []string{"demo-6", "demo-7"}}, 4 * time.Second},
		"many small keys":                {plan.Outlined{Slots: 200, Keys: 4000, Bytes: 1 << 20}, 6 * time.Second},
		"few large ones":                 {plan.Outlined{Slots: 200, Keys: 10, Bytes: 8 << 20}, 10 * time.Second},
		"keys that stay behind are free": {plan.Outlined{Slots: 16000, Keys: 1 << 40, Bytes: 1 << 50}, 2 * time.Second},
	} {
		s := speed
		if test.o.Keys == 1<<40 {
			s = plan.SpeedSlotsOnly
		}
		if got := test.o.Duration(s); got != test.want {
			t.Errorf("%s: %s, not %s", sentence, got, test.want)
		}
	}
}
