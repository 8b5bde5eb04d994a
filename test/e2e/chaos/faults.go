package chaos

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

func node(n int) string { return fmt.Sprintf("node%d", n) }

// killContainers ends containers of a pod with SIGKILL, all at the same time.
func killContainers(containers ...string) func(context.Context, *World, Draw) (mend, error) {
	return func(ctx context.Context, w *World, d Draw) (mend, error) {
		pids, err := w.victimPids(ctx, d, containers...)
		if err != nil {
			return nil, err
		}
		return nil, signal(pids, syscall.SIGKILL)
	}
}

// victimPids are the processes of containers of the pod that is hit.
func (w *World) victimPids(ctx context.Context, d Draw, containers ...string) ([]int, error) {
	victim, err := w.Victim(ctx, d)
	if err != nil {
		return nil, err
	}
	w.Log("  it hits %s on %s", victim.Pod.Name, victim.Pod.Host)
	var all []int
	for _, c := range containers {
		pids, err := w.running(ctx, w.Cluster.Namespace, victim.Pod.Name, c)
		if err != nil {
			return nil, err
		}
		all = append(all, pids...)
	}
	return all, nil
}

func killOperator(ctx context.Context, w *World, _ Draw) (mend, error) {
	pod, err := w.operator(ctx)
	if err != nil {
		return nil, err
	}
	pids, err := w.running(ctx, framework.OperatorNamespace, pod, "operator")
	if err != nil {
		return nil, err
	}
	return nil, signal(pids, syscall.SIGKILL)
}

func deletePod(ctx context.Context, w *World, d Draw) (mend, error) {
	return nil, w.deleteVictim(ctx, d, metav1.DeleteOptions{})
}

func deletePodByForce(ctx context.Context, w *World, d Draw) (mend, error) {
	return nil, w.deleteVictim(ctx, d, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
}

func (w *World) deleteVictim(ctx context.Context, d Draw, how metav1.DeleteOptions) error {
	victim, err := w.Victim(ctx, d)
	if err != nil {
		return err
	}
	w.Log("  it hits %s on %s", victim.Pod.Name, victim.Pod.Host)
	return w.Cluster.Kube.CoreV1().Pods(w.Cluster.Namespace).Delete(ctx, victim.Pod.Name, how)
}

func deleteAllPods(ctx context.Context, w *World, _ Draw) (mend, error) {
	return nil, w.Cluster.Kube.CoreV1().Pods(w.Cluster.Namespace).
		DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
}

// deletePodAndClaim deletes the claim first: it stays until the pod that uses it is gone.
func deletePodAndClaim(ctx context.Context, w *World, d Draw) (mend, error) {
	victim, err := w.Victim(ctx, d)
	if err != nil {
		return nil, err
	}
	w.Log("  it hits %s on %s", victim.Pod.Name, victim.Pod.Host)
	core, ns := w.Cluster.Kube.CoreV1(), w.Cluster.Namespace
	if err := core.PersistentVolumeClaims(ns).Delete(ctx, "data-"+victim.Pod.Name, metav1.DeleteOptions{}); err != nil {
		return nil, err
	}
	return nil, core.Pods(ns).Delete(ctx, victim.Pod.Name, metav1.DeleteOptions{})
}

// toggle is a fault of the lab with a verb that makes it and one that takes it back.
func (w *World) toggle(ctx context.Context, on, off []string) (mend, error) {
	return func(ctx context.Context) error { return w.Break(ctx, off...) }, w.Break(ctx, on...)
}

// onNode is a toggle of a node.
func onNode(on, off string) func(context.Context, *World, Draw) (mend, error) {
	return func(ctx context.Context, w *World, d Draw) (mend, error) {
		n, err := w.node(ctx, d)
		if err != nil {
			return nil, err
		}
		return w.toggle(ctx, []string{on, node(n)}, []string{off, node(n)})
	}
}

// node is the number of the node that is hit.
func (w *World) node(ctx context.Context, d Draw) (int, error) {
	if d.Node > 0 {
		return d.Node, nil
	}
	victim, err := w.Victim(ctx, d)
	if err != nil {
		return 0, err
	}
	for n := 1; n <= Nodes; n++ {
		if node(n) == victim.Pod.Host {
			w.Log("  it hits %s, where %s is", victim.Pod.Host, victim.Pod.Name)
			return n, nil
		}
	}
	return 0, fmt.Errorf("%s is on %q, which is no node of the lab", victim.Pod.Name, victim.Pod.Host)
}

// beyond is the node so many further.
func beyond(n, further int) string { return node(1 + (n-1+further)%Nodes) }

func cutBetweenTwo(ctx context.Context, w *World, d Draw) (mend, error) {
	n, err := w.node(ctx, d)
	if err != nil {
		return nil, err
	}
	other := beyond(n, d.Beyond)
	return w.toggle(ctx, []string{"part", node(n), other}, []string{"heal", node(n), other})
}

// cutFromPeers leaves a node with clients and the control plane, and without the other nodes.
func cutFromPeers(ctx context.Context, w *World, d Draw) (mend, error) {
	n, err := w.node(ctx, d)
	if err != nil {
		return nil, err
	}
	both := func(ctx context.Context, verb string) error {
		return errors.Join(w.Break(ctx, verb, node(n), beyond(n, 1)), w.Break(ctx, verb, node(n), beyond(n, 2)))
	}
	return func(ctx context.Context) error { return both(ctx, "heal") }, both(ctx, "part")
}

// stopRedis stops a Redis with SIGSTOP: it is not dead, and says nothing.
func stopRedis(ctx context.Context, w *World, d Draw) (mend, error) {
	pids, err := w.victimPids(ctx, d, "redis")
	if err != nil {
		return nil, err
	}
	return func(context.Context) error { return signal(pids, syscall.SIGCONT) }, signal(pids, syscall.SIGSTOP)
}

// drainBound is when a person gives up: a pod whose volume is on the drained node has nowhere to go, so that the next
// eviction waits for the budget.
const drainBound = 20 * time.Second

func drain(ctx context.Context, w *World, d Draw) (mend, error) {
	back, err := w.drain(ctx, d, drainBound)
	if err != nil && back != nil {
		w.Log("  the drain did not end: %.200s", err)
		err = nil
	}
	return back, err
}

func drainAndInsist(ctx context.Context, w *World, d Draw) (mend, error) {
	return w.drain(ctx, d, patience)
}

func (w *World) drain(ctx context.Context, d Draw, within time.Duration) (mend, error) {
	kubectl := framework.Tool("kubectl")
	n, err := w.node(ctx, d)
	if err != nil {
		return nil, err
	}
	// Ours only: what else runs in the lab may have nowhere to go.
	ours := fmt.Sprintf("app.kubernetes.io/instance in (%s,op)", w.Cluster.Name)
	_, err = w.Cluster.Run(ctx, kubectl, "drain", node(n), "--ignore-daemonsets", "--delete-emptydir-data", "--force",
		"--pod-selector="+ours, "--timeout="+within.String())
	return func(ctx context.Context) error {
		_, failed := w.Cluster.Run(ctx, kubectl, "uncordon", node(n))
		return failed
	}, err
}

func stopAPIServer(ctx context.Context, w *World, _ Draw) (mend, error) {
	off := w.Break(ctx, "apioff")
	return func(ctx context.Context) error {
		if err := w.Break(ctx, "apion"); err != nil {
			return err
		}
		return await(ctx, time.Minute, "the API server answers", func(ctx context.Context) error {
			_, err := w.Cluster.Kube.Discovery().ServerVersion()
			return err
		})
	}, off
}

// stopAPIServerAndKill has a primary die while there is no API server: its replica takes over all the same.
func stopAPIServerAndKill(ctx context.Context, w *World, d Draw) (mend, error) {
	pids, err := w.victimPids(ctx, d, "redis")
	if err != nil {
		return nil, err
	}
	back, err := stopAPIServer(ctx, w, d)
	if err != nil {
		return back, err
	}
	return back, signal(pids, syscall.SIGKILL)
}

// squat has a Redis of somebody else answer at the address of a pod that is gone, as a node that knows no other, with
// all slots and a high epoch: who meets it loses everything.
func squat(ctx context.Context, w *World, d Draw) (mend, error) {
	victim, err := w.Victim(ctx, d)
	if err != nil {
		return nil, err
	}
	pod := victim.Pod
	w.Log("  it hits %s at %s on %s", pod.Name, pod.IP, pod.Host)
	pods := w.Cluster.Kube.CoreV1().Pods(w.Cluster.Namespace)
	if err := pods.Delete(ctx, pod.Name, metav1.DeleteOptions{}); err != nil {
		return nil, err
	}
	if err := await(ctx, time.Minute, pod.Name+" is gone", func(ctx context.Context) error {
		now, err := pods.Get(ctx, pod.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) || err == nil && string(now.UID) != pod.UID {
			return nil
		}
		return errors.Join(err, errors.New("it is there"))
	}); err != nil {
		return nil, err
	}
	return w.toggle(ctx, []string{"squat", pod.Host, pod.IP}, []string{"unsquat", pod.Host, pod.IP})
}
