package controller

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// stateOf is how far a pod has come.
func stateOf(pod *corev1.Pod) cluster.PodState {
	switch {
	case pod.DeletionTimestamp != nil:
		return cluster.PodTerminating
	case pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded:
		return cluster.PodEnded
	case everStarted(pod):
		return cluster.PodRunning
	}
	return cluster.PodPending
}

// everStarted is true once the container redis of a pod has been started, even if it ended since.
func everStarted(pod *corev1.Pod) bool {
	s := redisStatus(pod)
	return s != nil && (s.State.Running != nil || s.State.Terminated != nil ||
		s.LastTerminationState.Terminated != nil || s.RestartCount > 0)
}

// running is true while the container redis runs.
func running(pod *corev1.Pod) bool {
	s := redisStatus(pod)
	return s != nil && s.State.Running != nil
}

func redisStatus(pod *corev1.Pod) *corev1.ContainerStatus {
	i := slices.IndexFunc(pod.Status.ContainerStatuses,
		func(s corev1.ContainerStatus) bool { return s.Name == redisv1.ContainerRedis })
	if i < 0 {
		return nil
	}
	return &pod.Status.ContainerStatuses[i]
}

func ready(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// troubleOf says what keeps a pod from starting, in Kubernetes' words; "" while nothing is known to.
func troubleOf(pod *corev1.Pod) string {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Reason + ": " + c.Message
		}
	}
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if w := s.State.Waiting; w != nil && w.Reason != "PodInitializing" && w.Reason != "ContainerCreating" {
			return containerTrouble(s)
		}
	}
	return ""
}

// containerTrouble is why a container waits and, when it ended before, the last that it said.
func containerTrouble(s corev1.ContainerStatus) string {
	text := fmt.Sprintf("container %s: %s: %s", s.Name, s.State.Waiting.Reason, s.State.Waiting.Message)
	if t := s.LastTerminationState.Terminated; t != nil {
		lines := strings.Split(strings.TrimSpace(t.Message), "\n")
		tail := lines[max(0, len(lines)-4):]
		text += fmt.Sprintf(" (it ended with exit code %d: %s)", t.ExitCode, strings.Join(tail, " | "))
	}
	return text
}

// claimTrouble says which volume an unschedulable pod waits for: the scheduler does not name its class.
func (c *Controller) claimTrouble(rc *redisv1.RedisCluster, pod *corev1.Pod) string {
	stores, err := c.stores(rc.Namespace)
	if err != nil || rc.Spec.Storage.Type != redisv1.StoragePersistent || troubleOf(pod) == "" {
		return ""
	}
	claim, err := stores.Claims.PersistentVolumeClaims(rc.Namespace).Get(rc.ClaimName(ordinalOf(pod)))
	if err != nil || claim.Status.Phase != corev1.ClaimPending {
		return ""
	}
	class := "the default class"
	if name := claim.Spec.StorageClassName; name != nil {
		class = "class " + *name
	}
	return fmt.Sprintf(" (volume claim %s of %s is not bound)", claim.Name, class)
}

// hosts are the Kubernetes nodes.
type hosts struct {
	usable []cluster.Host    // that pods can be scheduled on, by name
	zones  map[string]string // of all, by name
}

func (c *Controller) hosts() (hosts, error) {
	nodes, err := c.Nodes.List(labels.Everything())
	if err != nil {
		return hosts{}, fmt.Errorf("list nodes: %w", err)
	}
	h := hosts{zones: make(map[string]string, len(nodes))}
	for _, n := range nodes {
		zone := n.Labels[corev1.LabelTopologyZone]
		h.zones[n.Name] = zone
		if !n.Spec.Unschedulable && !repels(n) {
			h.usable = append(h.usable, cluster.Host{Name: n.Name, Zone: zone})
		}
	}
	slices.SortFunc(h.usable, func(a, b cluster.Host) int { return cmp.Compare(a.Name, b.Name) })
	return h, nil
}

// repels is true for a node with a taint that keeps new pods away.
func repels(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool {
		return t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute
	})
}
