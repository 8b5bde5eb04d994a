package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/redisoperator/redis-operator/test/e2e/framework"
	"github.com/redisoperator/redis-operator/test/e2e/witness"
)

// World is a cluster of three shards on the three nodes of the lab, the writers on it, and who watches it.
type World struct {
	Cluster  *framework.Cluster
	Observer *witness.Observer
	// Plain writers take OK for an answer; Waiting ones want a replica to have it.
	Plain, Waiting *witness.Traffic
	Log            func(format string, args ...any)

	load    Load
	lab     string // lab.sh
	allowed time.Duration
	costs   time.Duration   // of faults whose losses were not counted yet
	charged map[string]bool // keys of plain writers whose loss was counted at a fault
}

// Load is how many writes a second each shard gets: of the writer that takes OK for an answer, and of the other.
type Load struct{ Plain, Waiting int }

// DefaultLoad sees gaps of ten milliseconds, and leaves the machine to what is tested.
func DefaultLoad() Load { return Load{Plain: 100, Waiting: 50} }

// The cluster that suffers, and what is written to it.
const (
	Shards = 3
	Nodes  = 3
	Pods   = 2 * Shards

	// restGrace is what nodes need to hear of a new owner, or of a pod that is gone, while nothing is broken.
	restGrace = 10 * time.Second
)

// New starts writers and an observer on a cluster. They end with the context.
func New(ctx context.Context, c *framework.Cluster, load Load, log func(string, ...any)) (*World, error) {
	w := &World{Cluster: c, Log: log, load: load, lab: os.Getenv("LAB"), charged: map[string]bool{}}
	if w.lab == "" {
		return nil, errors.New("LAB is not set: `make e2e` sets it to the lab's lab.sh, which breaks things")
	}
	watched := c.Witness()
	err := watched.Follow(ctx)
	if err != nil {
		return nil, err
	}
	if w.Observer, err = watched.Observe(ctx, restGrace); err != nil {
		return nil, err
	}
	o := witness.TrafficOptions{Writers: Shards, Shards: Shards, Rate: load.Plain, Patient: true, Name: "plain"}
	if w.Plain, err = watched.Write(ctx, o); err != nil {
		return nil, err
	}
	o.Rate, o.Wait, o.Name = load.Waiting, true, "waiting"
	w.Waiting, err = watched.Write(ctx, o)
	return w, err
}

// Break makes a fault of the lab: lab.sh fault VERB ARGS.
func (w *World) Break(ctx context.Context, args ...string) error {
	_, err := w.Cluster.Run(ctx, w.lab, append([]string{"fault"}, args...)...)
	return err
}

// await looks until it succeeds.
func await(ctx context.Context, within time.Duration, what string, look func(context.Context) error) error {
	last := context.DeadlineExceeded
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, within, true, func(ctx context.Context) (bool, error) {
		if err := look(ctx); err != nil {
			if ctx.Err() == nil {
				last = err
			}
			return false, nil
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("%s: not within %s: %w", what, within, last)
	}
	return nil
}

// AwaitHost waits until pods can start on a host again. Until then what can be said of placement still changes, also when
// every pod has found a place elsewhere.
func (w *World) AwaitHost(ctx context.Context, host string, within time.Duration) error {
	return await(ctx, within, "pods can start on "+host, func(ctx context.Context) error {
		node, err := w.Cluster.Kube.CoreV1().Nodes().Get(ctx, host, metav1.GetOptions{})
		if err != nil {
			return err
		}
		return startsPods(node)
	})
}

// startsPods is nil when a host is ready, and nothing keeps pods from it.
func startsPods(node *corev1.Node) error {
	for _, t := range node.Spec.Taints {
		if t.Effect != corev1.TaintEffectPreferNoSchedule {
			return fmt.Errorf("it has the taint %s", t.Key)
		}
	}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
			return nil
		}
	}
	return errors.New("it is not ready")
}

// victimBound is how long a shard may be without somebody to hit.
const victimBound = 30 * time.Second

// Victim is the pod that a draw hits, as the roles are now.
func (w *World) Victim(ctx context.Context, d Draw) (witness.Seen, error) {
	slot := uint16((2*d.Shard + 1) * 16384 / (2 * Shards)) //nolint:gosec // below 16384
	var found witness.Seen
	err := await(ctx, victimBound, fmt.Sprintf("somebody to hit in shard %d", d.Shard), func(context.Context) error {
		look := w.Observer.Last()
		owner, ok := look.Owner(slot)
		if !ok {
			return fmt.Errorf("nobody serves slot %d", slot)
		}
		found = owner
		if replica, ok := look.ReplicaOf(owner.Self().ID); ok && d.Replica {
			found = replica
		}
		return nil
	})
	return found, err
}

// pids are the processes of a container.
func (w *World) pids(ctx context.Context, namespace, pod, container string) ([]int, error) {
	out, err := w.Cluster.Run(ctx, w.lab, "fault", "pids", namespace+"/"+pod, container)
	if err != nil {
		return nil, err
	}
	var pids []int
	for word := range strings.FieldsSeq(out) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return nil, fmt.Errorf("processes of %s in %s: %q", container, pod, out)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// running are the processes of a container that may be starting again, because of the fault before: an operator that could
// not renew its Lease ends.
func (w *World) running(ctx context.Context, namespace, pod, container string) (pids []int, err error) {
	err = await(ctx, victimBound, container+" runs in "+pod, func(ctx context.Context) (failed error) {
		if pids, failed = w.pids(ctx, namespace, pod, container); failed == nil && len(pids) == 0 {
			failed = errors.New("it has no process")
		}
		return failed
	})
	return pids, err
}

// signal reaches all processes that are still there.
func signal(pids []int, s syscall.Signal) error {
	var errs []error
	for _, pid := range pids {
		if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("signal %s to %d: %w", s, pid, err))
		}
	}
	return errors.Join(errs...)
}

// operator is the name of an operator's pod that runs.
func (w *World) operator(ctx context.Context) (string, error) {
	name := ""
	err := await(ctx, time.Minute, "an operator runs", func(ctx context.Context) error {
		pods, err := w.Cluster.Kube.CoreV1().Pods(framework.OperatorNamespace).List(ctx,
			metav1.ListOptions{FieldSelector: "status.phase=Running"})
		if err != nil {
			return err
		}
		for i := range pods.Items {
			if pods.Items[i].DeletionTimestamp == nil {
				name = pods.Items[i].Name
				return nil
			}
		}
		return errors.New("no pod of the operator runs")
	})
	return name, err
}
