//go:build e2e

package chaos

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

// mostGap is far above what is expected where the death of a primary is proven or planned, and far below the
// node-timeout, after which Redis would help itself. `make bench-faults` has the figures.
const mostGap = 5 * time.Second

// suffer has one fault happen, and says what of it must not be.
func suffer(t *testing.T, w *World, d Draw) Result {
	t.Helper()
	r := w.Suffer(t.Context(), d)
	t.Logf("%s: %s", d.Kind, r)
	for _, err := range r.Wrong {
		t.Error(err)
	}
	return r
}

// finish is at the end of every world: nothing lost, nothing leaked, nothing written for nothing.
func finish(t *testing.T, w *World) {
	t.Helper()
	var s Summary
	w.Finish(t.Context(), &s)
	t.Logf("\n%s", &s)
	if err := s.Err(); err != nil {
		t.Error(err)
	}
}

// TestFaults_WithVolumes is the part of chaos that every change has to bear: one fault after the other, on one cluster.
func TestFaults_WithVolumes(t *testing.T) {
	w := newWorld(t, "faults-volumes", true)
	begun := starts(t, w)
	for _, fault := range []struct {
		name string
		draw Draw
		gap  time.Duration
	}{
		{"Fault23_PrimaryKilled", Draw{Kind: "kill-redis", Shard: 0}, mostGap},
		{"Fault24_PrimaryPodDeleted", Draw{Kind: "delete-pod", Shard: 1}, mostGap},
		{"Fault16_PrimaryKilledWithoutAPIServer", Draw{
			Kind: "api-server-off-and-kill-redis", Shard: 2, Hold: leaseLost,
		}, mostGap},
		{"Fault25_AllPodsDeletedAtOnce", Draw{Kind: "delete-all-pods"}, time.Minute},
		// It is found out within a look at a cluster at rest, 15 s; the disk is full for longer.
		{"Fault38_PrimaryOnAFullDisk", Draw{Kind: "disk-full", Shard: 1, Hold: 40 * time.Second}, 25 * time.Second},
		{"PrimaryStopped", Draw{Kind: "stop-redis", Shard: 0, Hold: 20 * time.Second}, 40 * time.Second},
		{"Fault30_NodePoweredOffAndBack", Draw{Kind: "power-off", Hold: 25 * time.Second}, time.Minute},
	} {
		t.Run(fault.name, func(t *testing.T) {
			if r := suffer(t, w, fault.draw); r.Gap > fault.gap {
				t.Errorf("a writer waited for %s, at most %s is right", r.Gap, fault.gap)
			}
			// A kubelet makes containers that end wait longer and longer: an operator that lost its Lease goes on in its own.
			if now := starts(t, w); fault.draw.Hold == leaseLost && now != begun {
				t.Errorf("the operator was started as %s, and is as %s: it ended with the API server", begun, now)
			}
		})
	}
	t.Run("Fault44_PrimaryCutFromItsReplica", func(t *testing.T) { cutFromReplica(t, w) })
	finish(t, w)
}

// cutFromReplica parts the node of a primary from that of its replica for so long that kernels send on their connections
// only long after it is over. The replica is in sync soon all the same.
func cutFromReplica(t *testing.T, w *World) {
	const hold, soonAgain = 30 * time.Second, 12 * time.Second // the kernels' next try is 51 s after the first
	primary, err := w.Victim(t.Context(), Draw{Shard: 2})
	if err != nil {
		t.Fatal(err)
	}
	replica, err := w.Victim(t.Context(), Draw{Shard: 2, Replica: true})
	if err != nil {
		t.Fatal(err)
	}
	number := func(host string) int { return int(host[len(host)-1] - '0') }
	further := (number(replica.Pod.Host) - number(primary.Pod.Host) + Nodes) % Nodes
	t.Logf("%s is on %s, and %s on %s", primary.Pod.Name, primary.Pod.Host, replica.Pod.Name, replica.Pod.Host)
	r := suffer(t, w, Draw{Kind: "cut-between-two", Shard: 2, Beyond: further, Hold: hold})
	if r.WaitGap < hold || r.WaitGap > hold+soonAgain {
		t.Errorf("no replica acknowledged a write for %s, with the network cut for %s", r.WaitGap, hold)
	}
}

// leaseLost is longer than an operator may go without renewing its Lease.
const leaseLost = 15 * time.Second

// starts is what tells one start of the operator by its kubelet from another.
func starts(t *testing.T, w *World) string {
	t.Helper()
	name, err := w.operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pod, err := env.Kube.CoreV1().Pods(framework.OperatorNamespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s, restarted %d times", name, pod.Status.ContainerStatuses[0].RestartCount)
}

// TestFaults_WithoutVolumes is the same, where a pod takes its data with it.
func TestFaults_WithoutVolumes(t *testing.T) {
	w := newWorld(t, "faults-ephemeral", false)
	t.Run("Fault27_PrimaryKilledWithoutDisk", func(t *testing.T) {
		if r := suffer(t, w, Draw{Kind: "kill-redis", Shard: 1}); r.Gap > mostGap {
			t.Errorf("a writer waited for %s, at most %s is right", r.Gap, mostGap)
		}
	})
	for n := 1; n <= Nodes; n++ {
		t.Run(fmt.Sprintf("Fault33_Node%dDrained", n), func(t *testing.T) {
			if r := suffer(t, w, Draw{Kind: "drain-to-the-end", Node: n}); r.Gap > mostGap {
				t.Errorf("a writer waited for %s, at most %s is right", r.Gap, mostGap)
			}
		})
	}
	finish(t, w)
	t.Run("Fault26_AllPodsDeletedAtOnceWithoutDisk", func(t *testing.T) { loseAll(t, w.Cluster) })
}

// loseAll deletes all pods of a cluster that keeps nothing: it comes back by itself, with as many shards and replicas,
// empty, and says that data is lost. Nobody has to consent: there is nothing left.
func loseAll(t *testing.T, c *framework.Cluster) {
	t.Helper()
	before, err := c.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err = env.Kube.CoreV1().Pods(c.Namespace).DeleteCollection(t.Context(), metav1.DeleteOptions{},
		metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	framework.Eventually(t, patience, "the cluster is there again", func(ctx context.Context) error {
		look, failed := c.Witness().Look(ctx)
		if failed == nil {
			failed = look.Whole(Pods)
		}
		if failed == nil {
			failed = c.IsReady(ctx)
		}
		return failed
	})
	after, err := c.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if after.Status.NumberOfMaster != before.Status.NumberOfMaster || after.Status.Replication != before.Status.Replication {
		t.Errorf("it came back with %d masters, %s replicas; it had %d, %s", after.Status.NumberOfMaster,
			after.Status.Replication, before.Status.NumberOfMaster, before.Status.Replication)
	}
	client := c.Client(t)
	for i := range 300 {
		key := fmt.Sprintf("after:%d", i)
		if _, err = client.Do(t.Context(), key, "SET", key, "1"); err != nil {
			t.Fatalf("write to the empty cluster: %v", err)
		}
	}
	framework.Eventually(t, 30*time.Second, "an event says DataLost", func(ctx context.Context) error {
		events, err := env.Kube.CoreV1().Events(c.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		var reasons []string
		for _, e := range events.Items {
			if e.Reason == "DataLost" {
				return nil
			}
			reasons = append(reasons, e.Reason)
		}
		return fmt.Errorf("there are only %s", strings.Join(reasons, " "))
	})
}
