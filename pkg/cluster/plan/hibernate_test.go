package plan_test

import (
	"slices"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// Before the first pod stops, every primary must be able to keep what it has; a replica need not.
func TestNext_Hibernate(t *testing.T) {
	t.Parallel()
	wanted := threeByOne
	wanted.Hibernate = true
	about := func(pod string, change func(*cluster.NodeInfo)) func(*cluster.View) {
		return func(v *cluster.View) {
			m := member(v, pod)
			info := *m.Info
			change(&info)
			m.Info = &info
		}
	}
	full := func(info *cluster.NodeInfo) { info.WriteFault = "aof_last_write_status:err" }
	without := func(ordinal int) func(*cluster.View) {
		return func(v *cluster.View) {
			v.Volumes = slices.DeleteFunc(slices.Clone(v.Volumes), func(o int) bool { return o == ordinal })
		}
	}
	first := func(w *clustertest.World) plan.Decision {
		v := w.View()
		return plan.Decision{
			Step:   plan.DeletePod{Pod: "demo-5", UID: member(&v, "demo-5").Pod.UID, KeepsVolume: true},
			Reason: plan.Hibernating, Message: "spec.hibernate is true: stopping demo-5, whose volume stays", Requeue: now,
		}
	}
	held := func(edit func(*cluster.View), message string) func() scene {
		return func() scene {
			return scene{clustertest.Cluster(3, 1), wanted, edit, wait(plan.WaitingToHibernate, waiting, message)}
		}
	}
	going := func(edit func(*cluster.View)) func() scene {
		return func() scene {
			w := clustertest.Cluster(3, 1)
			return scene{w, wanted, edit, first(w)}
		}
	}
	play(t, map[string]func() scene{
		"replicas stop first":                  going(nil),
		"a replica that cannot write may stop": going(about("demo-4", full)),
		"a replica without a volume may stop":  going(without(4)),
		"a primary that cannot write does not": held(about("demo-1", full), "demo-1 could not write to its volume (aof_last_write_status:err): what it has would be lost"),
		"a primary without a volume does not":  held(without(1), "demo-1 has no volume: what it has would be lost"),
		"slots on the move are waited for": held(about("demo-1", func(info *cluster.NodeInfo) {
			info.Tasks = []cluster.SlotTask{{}}
		}), "waiting for slots that demo-1 moves by itself"),
	})
}
