package controller

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

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

// processOf is the container of redis that runs in a pod, or ran last.
func processOf(pod *corev1.Pod) string {
	if s := redisStatus(pod); s != nil {
		return s.ContainerID
	}
	return ""
}

// memoryLimitOf is the memory limit that the kubelet has given the container redis. The one in the spec may be what is
// asked of the kubelet.
func memoryLimitOf(pod *corev1.Pod) int64 {
	if s := redisStatus(pod); s != nil && s.Resources != nil {
		return s.Resources.Limits.Memory().Value()
	}
	for i := range pod.Spec.Containers {
		if c := &pod.Spec.Containers[i]; c.Name == redisv1.ContainerRedis {
			return c.Resources.Limits.Memory().Value()
		}
	}
	return 0
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
func claimTrouble(pod *corev1.Pod, claim *corev1.PersistentVolumeClaim) string {
	if troubleOf(pod) == "" || claim == nil || claim.Status.Phase != corev1.ClaimPending {
		return ""
	}
	class := "the default class"
	if name := claim.Spec.StorageClassName; name != nil {
		class = "class " + *name
	}
	return fmt.Sprintf(" (volume claim %s of %s is not bound)", claim.Name, class)
}

// overdueAfter is how long a pod that is to stop may be there beyond its grace period before its host is taken to be
// silent: a kubelet that is alive needs seconds.
const overdueAfter = time.Minute

// overdue are the pods that were to be gone long ago. How long they have been stopping is counted here: the clock of
// the API server may be another.
func (l *ledger) overdue(pods []*corev1.Pod, now time.Time) map[types.UID]bool {
	since := map[types.UID]time.Time{}
	overdue := map[types.UID]bool{}
	for _, pod := range pods {
		if pod.DeletionTimestamp == nil {
			continue
		}
		first, known := l.stopping[pod.UID]
		if !known {
			first = now
		}
		since[pod.UID] = first
		grace := time.Duration(ptr.Deref(pod.DeletionGracePeriodSeconds, 0)) * time.Second
		overdue[pod.UID] = now.Sub(first) > grace+overdueAfter
	}
	l.stopping = since
	return overdue
}

// overdueTrouble says what a person can do about a pod that cannot be stopped.
func overdueTrouble(pod *corev1.Pod) string {
	return fmt.Sprintf("host %s does not stop it; once it is certain that the host is off, run: "+
		"kubectl taint node %s %s=nodeshutdown:NoExecute", pod.Spec.NodeName, pod.Spec.NodeName,
		corev1.TaintNodeOutOfService)
}
