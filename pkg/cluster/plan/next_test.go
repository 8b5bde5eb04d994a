package plan_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

const (
	now     = 10 * time.Millisecond
	forming = 200 * time.Millisecond
	waiting = time.Second
	idle    = 15 * time.Second
)

// scene is a world, what is wanted of it, and the whole decision that is right.
type scene struct {
	world  *clustertest.World
	wanted plan.Wanted
	edit   func(*cluster.View) // what cannot be brought about in the world
	want   plan.Decision
}

// threeByOne is three primaries with a replica each, formed.
var threeByOne = plan.Wanted{
	Primaries: 3, Replicas: 1, Bootstrapped: true, ZoneAware: true, NodeTimeout: nodeTimeout, Object: "-n shop rdc/demo",
}

// nodeTimeout is that of the model.
const nodeTimeout = 3 * time.Second

// unformed is the same before it is formed.
var unformed = plan.Wanted{Primaries: 3, Replicas: 1, ZoneAware: true}

func play(t *testing.T, scenes map[string]func() scene) {
	t.Helper()
	for sentence, make := range scenes {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			s := make()
			view := s.world.View()
			if s.edit != nil {
				s.edit(&view)
			}
			if got := plan.Next(s.wanted, view); !reflect.DeepEqual(got, s.want) {
				t.Errorf("got  %+v\nwant %+v\n%s", got, s.want, clustertest.Describe(view))
			}
		})
	}
}

func wait(reason string, requeue time.Duration, message string) plan.Decision {
	return plan.Decision{Step: plan.Wait{}, Reason: reason, Message: message, Requeue: requeue}
}

// born is a world whose pods have just started, and know nobody.
func born(pods int) *clustertest.World {
	w := clustertest.New(clustertest.Settings{})
	var ordinals []int
	for i := range pods {
		ordinals = append(ordinals, i)
	}
	if err := w.Apply(plan.CreatePods{Ordinals: ordinals}); err != nil {
		panic(err)
	}
	return w.Ticks(1)
}

// after carries out decisions until the reason is given, and not the step it is given for.
func after(w *clustertest.World, wanted plan.Wanted, reason string) *clustertest.World {
	for range mostLooks {
		d := plan.Next(wanted, w.View())
		if d.Reason == reason {
			return w
		}
		if err := w.Apply(d.Step); err != nil {
			panic(err)
		}
		w.Tick()
	}
	panic("never " + reason)
}

func slots(first, last cluster.Slot) cluster.SlotSet {
	return cluster.NewSlotSet(cluster.SlotRange{First: first, Last: last})
}

// member is one of a view's, to be edited.
func member(v *cluster.View, name string) *cluster.Member {
	for i := range v.Members {
		if v.Members[i].Pod.Name == name {
			return &v.Members[i]
		}
	}
	panic("no member " + name)
}

// info is a member's info of its own, to be edited.
func info(v *cluster.View, name string) *cluster.NodeInfo {
	m := member(v, name)
	own := *m.Info
	own.Table = append(cluster.Table(nil), own.Table...)
	m.Info = &own
	return m.Info
}

// line is a line of a member's table, to be edited.
func line(v *cluster.View, name string, id cluster.NodeID) *cluster.Node {
	table := info(v, name).Table
	return &table[table.Index(id)]
}
