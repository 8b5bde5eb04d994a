package controller

import (
	"context"
	"errors"
	"slices"

	"github.com/golang/glog"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/kube"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

// resizeOf is how far a pod that is not of the spec's template has come to it without being replaced, and what its
// kubelet says that keeps it; ResizeNone when it has to be replaced. A kubelet that does not say what it has given a
// container cannot give it anything else.
func (c *Controller) resizeOf(rc *redisv1.RedisCluster, pod *corev1.Pod) (cluster.Resize, string) {
	s := redisStatus(pod)
	if !c.ResizesPods || c.ledgers.of(rc).unresizable[pod.UID] || stateOf(pod) != cluster.PodRunning || !running(pod) ||
		s.Resources == nil || !objects.Fixed(pod, rc) {
		return cluster.ResizeNone, ""
	}
	switch {
	case objects.Asked(pod, rc):
		return granted(pod, objects.MemoryLimit(rc))
	case objects.Resizable(pod, rc, memoryLimitOf(pod)):
		return cluster.ResizeDue, ""
	}
	return cluster.ResizeNone, ""
}

// granted is what the kubelet of a pod has made of what it was asked for. What is not feasible at its host may be at
// another one, for a pod that is made anew.
func granted(pod *corev1.Pod, limit int64) (cluster.Resize, string) {
	pending, progress := resizeCondition(pod, corev1.PodResizePending), resizeCondition(pod, corev1.PodResizeInProgress)
	behind := pod.Status.ObservedGeneration > 0 && pod.Status.ObservedGeneration < pod.Generation
	switch {
	case pending != nil && pending.Reason == corev1.PodReasonInfeasible:
		return cluster.ResizeNone, ""
	case pending != nil:
		return cluster.ResizeAsked, pending.Reason + ": " + pending.Message
	case progress != nil && progress.Reason == corev1.PodReasonError:
		return cluster.ResizeAsked, progress.Reason + ": " + progress.Message
	case progress != nil || behind || memoryLimitOf(pod) != limit:
		return cluster.ResizeAsked, ""
	}
	return cluster.ResizeGranted, ""
}

// resizeCondition is what the kubelet says of the resources that a pod is to get; nil when it says nothing, or says it
// of those before.
func resizeCondition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	i := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == kind })
	if i < 0 {
		return nil
	}
	c := &pod.Status.Conditions[i]
	past := c.ObservedGeneration > 0 && c.ObservedGeneration < pod.Generation
	if past || c.Status != corev1.ConditionTrue {
		return nil
	}
	return c
}

// resizePod asks for what the spec gives a pod, or notes that it has it. The live pod is looked at first: redis may
// have filled more memory by now than it would have.
func (c *Controller) resizePod(ctx context.Context, t target, s plan.ResizePod) error {
	wanted := objects.NewResize(t.rc, s.Pod, types.UID(s.UID))
	possible := func(live *corev1.Pod) error {
		switch {
		case !objects.Outdated(live, t.rc) || objects.Asked(live, t.rc):
			return errors.New("its kubelet was asked by now")
		case !objects.Resizable(live, t.rc, memoryLimitOf(live)):
			return errors.New("it cannot get the resources of the spec while it runs any more")
		}
		return nil
	}
	if s.Granted {
		wanted = objects.NewResized(t.rc, s.Pod, types.UID(s.UID))
		possible = func(live *corev1.Pod) error {
			if !objects.Fixed(live, t.rc) || !objects.Asked(live, t.rc) {
				return errors.New("it does not have the resources of the spec")
			}
			return nil
		}
	}
	err := c.Pods.Resize(ctx, t.rc, wanted, possible)
	if errors.Is(err, kube.ErrNotResizable) {
		t.ledger.unresizable[types.UID(s.UID)] = true
		glog.Infof("%s/%s: it is replaced: %v", t.rc.Namespace, t.rc.Name, err)
		return nil
	}
	return err
}

// resizeStalls are the pods whose kubelet does not give them what it was asked for, and what it says, in the view's
// order.
func resizeStalls(v cluster.View) []string {
	var out []string
	for _, m := range v.Members {
		if m.Pod.ResizeStall != "" {
			out = append(out, m.Pod.Name+": "+m.Pod.ResizeStall)
		}
	}
	return out
}
