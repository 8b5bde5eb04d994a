package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// smallCopy is a dataset that a replica copies within a second or so.
const smallCopy = 64 << 20

// waitForState waits until links are up, all agree, and Redis finds the cluster in order.
// Invariant: Converged is only said when it is true in the eyes of every node.
func waitForState(w Wanted, v cluster.View) (Decision, bool) {
	return waitForOrder(w, v, planned(w, v))
}

// waitForOrder says what is not in order yet, but for slots that are to move.
func waitForOrder(w Wanted, v cluster.View, left []cluster.Transfer) (Decision, bool) {
	var unsynced, unready []string
	var unsettled findings
	owners, ghosts := v.Owners(), v.Ghosts()
	for _, m := range v.Members {
		switch why := unsettledBy(m, v.Members, owners, ghosts); {
		case !m.Info.LinkUp:
			unsynced = append(unsynced, m.Pod.Name)
		case why != "":
			unsettled = unsettled.add(m.Pod.Name, why)
		case !m.Pod.Ready:
			unready = append(unready, m.Pod.Name)
		}
	}
	for _, vacancy := range short(w, v) {
		unsettled = unsettled.add(vacancy.Primary.Pod.Name, "it lacks "+count(vacancy.Lacks, "replica", "replicas"))
	}
	switch {
	case len(unsynced) > 0:
		return wait(WaitingForSync, fmt.Sprintf("%s %s the data of %s primary", list(unsynced),
			verb(len(unsynced), "copies", "copy"), verb(len(unsynced), "its", "their")), syncPace(v)), true
	case len(unsettled) > 0:
		return wait(WaitingForClusterState, unsettled.String(), requeueForming), true
	case len(left) > 0:
		return wait(WaitingForClusterState, "slots are to move once their nodes have heard of each other's epochs",
			requeueForming), true
	case len(unready) > 0:
		return wait(WaitingForPods, list(unready)+" "+verb(len(unready), "is", "are")+" not ready", requeueForming), true
	}
	return Decision{}, false
}

// findings are pods by what is found at them.
type findings []finding

type finding struct {
	why  string
	pods []string
}

func (f findings) add(pod, why string) findings {
	for i := range f {
		if f[i].why == why {
			f[i].pods = append(f[i].pods, pod)
			return f
		}
	}
	return append(f, finding{why: why, pods: []string{pod}})
}

// String is "demo-0 and demo-3: cluster_state is not ok".
func (f findings) String() string {
	var words []string
	for _, found := range f {
		words = append(words, list(found.pods)+": "+found.why)
	}
	return strings.Join(words[:min(len(words), mostNamed)], "; ")
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
		at := table.Index(other.ID())
		if at < 0 {
			return other.Pod.Name + " is not known yet"
		}
		if table[at].Flags.Fail { // for two node-timeouts after it was heard of again
			return other.Pod.Name + " is still held for failed"
		}
	}
	for _, g := range ghosts {
		if slices.Contains(g.KnownBy, m.Pod.Name) {
			return "node " + g.ID.Short() + " is in no pod, and not given up yet"
		}
	}
	var disputed []cluster.NodeID
	for i := range table {
		owner := slices.IndexFunc(owners, func(c cluster.Claim) bool { return c.Node == table[i].ID })
		if owner < 0 && !table[i].Slots.IsEmpty() || owner >= 0 && table[i].Slots != owners[owner].Slots {
			disputed = append(disputed, table[i].ID)
		}
	}
	if len(disputed) > 0 {
		return "it is not agreed yet what node " + slices.Min(disputed).Short() + " owns"
	}
	if !m.Info.StateOK {
		return "cluster_state is not ok"
	}
	return ""
}

// converged is the decision when no rule has anything to do.
func converged(w Wanted, v cluster.View) Decision {
	shards := len(v.Shards())
	return wait(Converged, fmt.Sprintf("%s with %s each, all in sync", count(shards, "primary", "primaries"),
		count(w.Replicas, "replica", "replicas")), requeueIdle)
}
