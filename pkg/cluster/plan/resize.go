package plan

import (
	"fmt"
	"strings"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// resizePods has the kubelets give pods the memory and the processors that the spec gives them by now. It comes before
// what takes long: more memory may be just what is waited for. One kubelet that cannot do it keeps no other from it.
// Invariant: redis runs on, with no less memory than it may have filled.
func resizePods(_ Wanted, v cluster.View) (Decision, bool) {
	for _, m := range v.Members {
		due, granted := m.Pod.Resize == cluster.ResizeDue, m.Pod.Resize == cluster.ResizeGranted
		if !m.Live() || !due && !granted {
			continue
		}
		message := fmt.Sprintf("giving %s its new memory and processors, redis runs on (%s)", m.Pod.Name, resizeProgress(v))
		if granted {
			message = fmt.Sprintf("%s has its new memory and processors (%s)", m.Pod.Name, resizeProgress(v))
		}
		return Decision{
			Step:   ResizePod{Pod: m.Pod.Name, UID: m.Pod.UID, Granted: granted},
			Reason: ResizingPods, Message: message, Requeue: requeueNow,
		}, true
	}
	return Decision{}, false
}

// waitForResize says which kubelets have yet to give a pod what they were asked for. Nothing else waits for that: a
// host may have no room for days.
// Invariant: Converged is said only when every pod has what the spec gives it.
func waitForResize(_ Wanted, v cluster.View) (Decision, bool) {
	var pods, stalls []string
	for _, m := range v.Members {
		if m.Pod.Resize == cluster.ResizeNone {
			continue
		}
		pods = append(pods, m.Pod.Name)
		if m.Pod.ResizeStall != "" {
			stalls = append(stalls, m.Pod.Name+": "+m.Pod.ResizeStall)
		}
	}
	if len(pods) == 0 {
		return Decision{}, false
	}
	message := fmt.Sprintf("waiting until kubelets have given %s new memory and processors", list(pods))
	return wait(ResizingPods, strings.Join(append([]string{message}, stalls...), "; "), requeueWaiting), true
}

// resizeProgress is "2 of 6 pods have them".
func resizeProgress(v cluster.View) string {
	have := 0
	for _, m := range v.Members {
		if m.Pod.Resize == cluster.ResizeNone && !outdated(m) {
			have++
		}
	}
	return fmt.Sprintf("%d of %d pods have them", have, len(v.Members))
}
