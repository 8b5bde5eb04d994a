package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// smallCopy is a dataset that a replica copies within a second or so.
const smallCopy = 64 << 20

// waitForState waits until links are up, all agree, and Redis finds the cluster in order.
// Invariant: Converged is only said when it is true in the eyes of every node.
func waitForState(_ Wanted, v cluster.View) (Decision, bool) {
	var unsynced, unsettled, unready []string
	owners, ghosts := v.Owners(), v.Ghosts()
	for _, m := range v.Members {
		switch why := unsettledBy(m, v.Members, owners, ghosts); {
		case !m.Info.LinkUp:
			unsynced = append(unsynced, m.Pod.Name)
		case why != "":
			unsettled = append(unsettled, m.Pod.Name+" "+why)
		case !m.Pod.Ready:
			unready = append(unready, m.Pod.Name)
		}
	}
	switch {
	case len(unsynced) > 0:
		return wait(WaitingForSync, fmt.Sprintf("%s %s the data of %s primary", list(unsynced),
			verb(len(unsynced), "copies", "copy"), verb(len(unsynced), "its", "their")), syncPace(v)), true
	case len(unsettled) > 0:
		return wait(WaitingForClusterState, list(unsettled), requeueForming), true
	case len(unready) > 0:
		return wait(WaitingForPods, list(unready)+" "+verb(len(unready), "is", "are")+" not ready", requeueForming), true
	}
	return Decision{}, false
}

// syncPace is how often to look at copies that are under way.
func syncPace(v cluster.View) time.Duration {
	if slices.ContainsFunc(v.Members, func(m cluster.Member) bool { return m.Info.UsedBytes > smallCopy }) {
		return requeueWaiting
	}
	return requeueForming
}

// unsettledBy says what a node has yet to learn; "" when nothing.
func unsettledBy(m cluster.Member, members []cluster.Member, owners []cluster.Claim, ghosts []cluster.Ghost) string {
	table := m.Info.Table
	for _, other := range members {
		if table.Index(other.ID()) < 0 {
			return "does not know " + other.Pod.Name + " yet"
		}
	}
	for _, c := range owners {
		if i := table.Index(c.Node); i >= 0 && table[i].Slots != c.Slots {
			return "does not agree yet on what node " + c.Node.Short() + " owns"
		}
	}
	for _, g := range ghosts {
		if slices.Contains(g.KnownBy, m.Pod.Name) {
			return "has not given up node " + g.ID.Short() + " yet, which is in no pod"
		}
	}
	if !m.Info.StateOK {
		return "finds the cluster not in order"
	}
	return ""
}

// reportScaling says that the number of primaries cannot be changed by this release.
// Invariant: a wish that is not carried out is never silent.
func reportScaling(w Wanted, v cluster.View) (Decision, bool) {
	stand := standing(w, v).Primaries
	if stand == w.Primaries {
		return Decision{}, false
	}
	return wait(ScalingNotImplemented, fmt.Sprintf("spec.numberOfMaster is %d but the cluster has %s:"+
		" moving slots comes with a later release; nothing was changed",
		w.Primaries, count(stand, "master", "masters")), requeueIdle), true
}

// converged is the decision when no rule has anything to do.
func converged(w Wanted, v cluster.View) Decision {
	shards := len(v.Shards())
	return wait(Converged, fmt.Sprintf("%s with %s each, all in sync", count(shards, "primary", "primaries"),
		count(w.Replicas, "replica", "replicas")), requeueIdle)
}
