package plan_test

import (
	"slices"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// A failover leaves two masters on one host. The role goes back, once, by a gentle failover, when all is well again.
func TestRestorePlacement(t *testing.T) {
	t.Parallel()
	w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true}, 3, 1).Kill("demo-0")
	wanted := threeByOne
	goOn(t, w, wanted, plan.Converged)
	if quality, _ := w.View().Placement(); quality == cluster.Optimal {
		t.Fatalf("two masters of three are to be on one host\n%s", w)
	}
	rests(t, w, wanted, 5)
	wanted.Failback = true
	back := steps(goOn(t, w, wanted, plan.Converged), plan.RestoringPlacement)
	if len(back) != 1 || back[0].Step.(plan.Failover).Mode != plan.HandOver || back[0].Step.(plan.Failover).Pod != "demo-0" {
		t.Errorf("%+v", back)
	}
	if quality, why := w.View().Placement(); quality != cluster.Optimal {
		t.Errorf("%s: %s\n%s", quality, why, w)
	}
	keeps(t, w)
	rests(t, w, wanted, 20)
}

// A primary that has not heard that the replica is one would not vote for it: the writers are not held up for that.
func TestRestorePlacement_WaitsUntilAllHaveHeard(t *testing.T) {
	t.Parallel()
	w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true}, 3, 1).Kill("demo-0")
	wanted := threeByOne
	goOn(t, w, wanted, plan.Converged)
	wanted.Failback = true
	v := w.View()
	d := plan.Next(wanted, v)
	failover, ok := d.Step.(plan.Failover)
	if !ok {
		t.Fatalf("%+v", d)
	}
	for i, m := range v.Members {
		if m.ID() == failover.Primary {
			continue
		}
		info := *m.Info
		info.Table = slices.Clone(info.Table)
		at := info.Table.Index(failover.Node)
		info.Table[at].Role, info.Table[at].PrimaryID = cluster.Primary, ""
		if info.Table[at].Flags.Myself {
			continue
		}
		v.Members[i].Info = &info
		if d := plan.Next(wanted, v); d.Reason == plan.RestoringPlacement {
			t.Errorf("%s takes %s for a primary, and is to vote for it", m.Pod.Name, failover.Pod)
		}
		v.Members[i].Info = m.Info
	}
}
