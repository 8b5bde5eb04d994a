package plan

import (
	"fmt"
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// bound says that a pod would not come back for as long as somebody works on its host: its volume may be there and
// nowhere else. Where volumes follow their pods, draining the host brings it to another, of today's template.
func bound(m cluster.Member) bool { return m.Pod.Volume && m.Pod.HostShut != "" }

// reportMaintenance says what is left as it is until a window opens, or until hosts are back.
// Invariant: what waits for a window or a host is said to, and for which.
func reportMaintenance(w Wanted, v cluster.View) (Decision, bool) {
	var late, away []string
	for _, m := range v.Members {
		switch {
		case !outdated(m):
		case bound(m):
			away = append(away, fmt.Sprintf("%s is %s, and the volume of %s is there", m.Pod.Host, m.Pod.HostShut, m.Pod.Name))
		case !w.HoldPrimaries || m.Role() == cluster.Replica: // the others wait for a person first
			late = append(late, m.Pod.Name)
		}
	}
	progress := updateProgress(v)
	switch {
	case w.Closed != "" && len(late) > 0:
		return wait(AwaitingWindow, fmt.Sprintf("%s %s not updated yet (%s): %s", list(late),
			verb(len(late), "is", "are"), progress, w.Closed), requeueIdle), true
	case len(away) > 0:
		return wait(HostInMaintenance, fmt.Sprintf("the update waits (%s): %s", progress, list(away)), requeueIdle), true
	}
	h, better := betterPlacement(w, v)
	if w.Closed == "" || !better {
		return Decision{}, false
	}
	return wait(AwaitingWindow, fmt.Sprintf("%s does not hand over to %s yet, which would be a better placement: %s",
		h.Primary.Pod.Name, h.Replica.Pod.Name, w.Closed), requeueIdle), true
}

// replaceable says that an update may come to the pod now. What does not count as a copy is repaired by it, at any
// time.
func replaceable(w Wanted, m cluster.Member) bool {
	lame := m.Role() == cluster.Replica && wellness(m) < 2
	return outdated(m) && !bound(m) && (w.Closed == "" || lame)
}

// betterPlacement is the role that would be moved for a better spread. An outline does not know where new pods will be.
func betterPlacement(w Wanted, v cluster.View) (cluster.Handover, bool) {
	if !w.Failback || w.foreseen || len(v.Aside) > 0 || slices.ContainsFunc(v.Members, outdated) {
		return cluster.Handover{}, false // what is not updated would come to primaries by it
	}
	return v.Failback()
}
