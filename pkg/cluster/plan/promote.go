package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// Redis has voted twice by then, if it could: it votes again after four node-timeouts.
const voteTimeouts = 3

// promoteOrphanShard has the best copy take the place of a primary that is dead, when Redis elects nobody: a majority
// of primaries is gone, or no replica has won for voteTimeouts node-timeouts; or the dead is the target of a move that
// owns no slots yet, whom Redis never replaces. One at a look, so that each gets a config epoch of its own.
// Invariant: nobody is replaced whom only the operator cannot reach. It needs two witnesses: Kubernetes, or the agent
// in the pod, says that the primary does not run; and every node that lists it finds it silent. Where nobody can elect,
// it is enough that Kubernetes does not hear from its host. And nobody with an old copy, or none, takes over while a
// node that cannot be asked may have a better one.
func promoteOrphanShard(w Wanted, v cluster.View) (Decision, bool) {
	for _, o := range orphansOf(w, v) {
		switch {
		case o.waits == "" && !hasCopy(o.heir):
			d := promotion(o.heir, fmt.Sprintf("slots %s begin anew at %s, empty: all copies of them were lost",
				o.shard.Slots, o.heir.Pod.Name))
			d.Reason = DataLost
			return d, true
		case o.waits == "":
			return promotion(o.heir, fmt.Sprintf("%s takes over slots %s from node %s, which is dead",
				o.heir.Pod.Name, o.shard.Slots, o.shard.ID.Short())), true
		}
	}
	return promoteTarget(w, v)
}

func promotion(heir cluster.Member, message string) Decision {
	return Decision{
		Step:    Failover{Pod: heir.Pod.Name, Node: heir.ID(), Primary: heir.Follows(), Mode: TakeOver},
		Reason:  PromotingReplica,
		Message: message,
		Requeue: requeueNow,
	}
}

// promoteTarget has a replica take the place of a target that is gone and that owned nothing yet: what had arrived of
// a slot is with it. It takes over from nobody who may come back: every pod was seen to be another node, and no volume
// is left. Of several the one that has received most does.
func promoteTarget(w Wanted, v cluster.View) (Decision, bool) {
	orphans := slices.DeleteFunc(closingsOf(w, v).orphans, func(m cluster.Member) bool { return v.Claimed(m.Follows()) })
	if len(orphans) == 0 {
		return Decision{}, false
	}
	heir := slices.MaxFunc(orphans, compareHeirs)
	return promotion(heir, fmt.Sprintf("%s takes the place of node %s, which is gone",
		heir.Pod.Name, heir.Follows().Short())), true
}

// waitForFailover says what a shard without its primary waits for: Redis elects, or somebody has to prove that the
// primary is dead, or to agree.
// Invariant: while a copy can be promoted nothing else is done about a shard.
func waitForFailover(w Wanted, v cluster.View) (Decision, bool) {
	orphans := orphansOf(w, v)
	if len(orphans) == 0 {
		return Decision{}, false
	}
	var waits, causes []string
	for _, o := range orphans {
		switch {
		case o.lost:
			return wait(SlotsUncovered, o.waits, requeueWaiting), true
		case o.waits != "" && o.elects && o.heir.Info.LinkDown == cluster.NeverLinked: // whom Redis does not elect
			return wait(WaitingForPods, o.waits, requeueForming), true
		}
		if o.waits != "" && !o.elects && !slices.Contains(causes, o.waits) {
			causes = append(causes, o.waits)
		}
		waits = append(waits, fmt.Sprintf("%s to take over slots %s from node %s",
			list(podNames(o.shard.Replicas)), o.shard.Slots, o.shard.ID.Short()))
	}
	if len(causes) == 0 {
		return wait(WaitingForFailover, "waiting for "+list(waits)+", which failed", requeueForming), true
	}
	return wait(QuorumLost, fmt.Sprintf("too many primaries are gone for Redis to elect: waiting for %s; %s",
		list(waits), strings.Join(causes[:min(mostNamed, len(causes))], "; ")), requeueWaiting), true
}

func podNames(members []cluster.Member) []string {
	names := make([]string, len(members))
	for i := range members {
		names[i] = members[i].Pod.Name
	}
	return names
}

// orphan is a shard whose primary is not there.
type orphan struct {
	shard cluster.Shard
	heir  cluster.Member // the best copy
	waits string         // why it is not promoted; "" when it can be
	// elects says that enough primaries are there for Redis to elect one of its replicas.
	elects bool
	// lost says that the primary is gone for good, and no replica has a copy of what it had.
	lost bool
	// stale says that the best copy is an older one, or none, and the primary may come back from a volume.
	stale bool
}

// orphansOf is the shards whose primary is not there, and that some node suspects or that is in no pod, but whose
// replicas are.
func orphansOf(w Wanted, v cluster.View) []orphan {
	var orphans []orphan
	shards := v.Shards()
	elects := electable(v, shards)
	for i := range shards {
		s := shards[i]
		if s.Primary.Info != nil || len(s.Replicas) == 0 || !failed(v, s.ID) {
			continue
		}
		o := orphan{shard: s, heir: slices.MaxFunc(s.Replicas, compareHeirs), elects: elects}
		o.waits = o.obstacle(w, v)
		orphans = append(orphans, o)
	}
	return orphans
}

// electable says that a majority of those who vote, the primaries with slots, is there: one that was not seen and that
// nobody suspects may be.
func electable(v cluster.View, shards []cluster.Shard) bool {
	voters := 0
	for i := range shards {
		if shards[i].Primary.Info != nil || !suspected(v, shards[i].ID) {
			voters++
		}
	}
	return 2*voters > len(shards)
}

// hasCopy says that the replica has a copy of what its primary had, be it an old one: it has followed since it was
// started, or there was something on its disk.
func hasCopy(m cluster.Member) bool { return m.Info.LinkDown != cluster.NeverLinked || m.Info.Keys > 0 }

// compareHeirs puts the better copy last: one that has followed since it was started, then the one that has received
// most, then the lower ordinal.
func compareHeirs(a, b cluster.Member) int {
	follows := func(m cluster.Member) int {
		if m.Live() && m.Info.LinkDown != cluster.NeverLinked {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(follows(a), follows(b)), cmp.Compare(a.Info.ReplOffset, b.Info.ReplOffset),
		cmp.Compare(b.Pod.Ordinal, a.Pod.Ordinal))
}

// obstacle is why the heir cannot be promoted yet; "" when it can.
func (o *orphan) obstacle(w Wanted, v cluster.View) string {
	name, info := o.heir.Pod.Name, o.heir.Info
	patience := voteTimeouts * w.NodeTimeout
	switch proof := o.alibi(w, v); {
	case proof != "":
		return proof
	case !o.heir.Live():
		return name + " is not there"
	case info.LinkUp && info.LinkSilent <= w.NodeTimeout:
		return name + " is linked to its primary"
	case info.LinkDown == cluster.NeverLinked && o.better(v) != "":
		return o.better(v)
	case !hasCopy(o.heir) && !o.shard.Slots.Minus(w.GiveUp).IsEmpty():
		o.lost = true
		return lostMessage(w, o.shard.Slots)
	case info.CurrentEpoch < newestEpoch(v):
		return name + " has yet to hear of the newest epoch"
	case o.elects && info.LinkDown != cluster.NeverLinked && silentFor(o.heir) < patience:
		return "Redis elects"
	case !o.elects && w.AskQuorum:
		return fmt.Sprintf("spec.recovery.quorum is Manual: to have them promoted, run: "+
			`kubectl patch %s --type=merge -p '{"spec":{"recovery":{"quorum":"Automatic"}}}'`, w.Object)
	}
	return ""
}

// better says where a better copy may be than the heir's, which is an old one or none; "" when there can be none.
func (o *orphan) better(v cluster.View) string {
	name := o.heir.Pod.Name
	if o.stale = mayReturn(v); o.stale {
		return name + " has an older copy, and the primary may come back from its volume"
	}
	for _, m := range slices.Concat(v.Members, v.Aside) {
		if mayRun(m) {
			return fmt.Sprintf("%s has an older copy or none, and a better one may be where nobody can look: %s",
				name, silence(m))
		}
	}
	return ""
}

// alibi is why the primary, which was not seen, is not taken for dead; "" when it is.
func (o *orphan) alibi(w Wanted, v cluster.View) string {
	id := o.shard.ID
	for _, m := range liveMembers(v) {
		i := m.Info.Table.Index(id)
		if i < 0 {
			continue
		}
		if f := m.Info.Table[i].Flags; !f.PFail && !f.Fail && !f.NoAddr {
			return fmt.Sprintf("%s does not suspect node %s yet", m.Pod.Name, id.Short())
		}
	}
	for _, m := range slices.Concat(v.Members, v.Aside) {
		if mayRun(m) && mayBe(v, m, id) && !o.unheard(w, m) {
			return fmt.Sprintf("it is not proven that node %s is dead: %s", id.Short(), silence(m))
		}
	}
	return ""
}

// unheard says that a pod counts as dead because nobody hears from its host: neither Kubernetes, nor any node, nor the
// heir for a node-timeout. It does where Redis cannot elect, and spec.recovery.quorum is Automatic: slots that nobody
// serves cost more than what may be written on the other side of a partition, which no replica acknowledges there.
func (o *orphan) unheard(w Wanted, m cluster.Member) bool {
	return m.Pod.HostSilent && !o.elects && !w.AskQuorum && silentFor(o.heir) > w.NodeTimeout
}

// silentFor is how long a replica has heard nothing of its primary.
func silentFor(m cluster.Member) time.Duration { return max(m.Info.LinkDown, m.Info.LinkSilent) }

// mayRun says that redis may run in the pod, although it was not seen.
func mayRun(m cluster.Member) bool {
	return m.Info == nil && !m.Down && !m.Pod.HostGone &&
		(m.Pod.State == cluster.PodRunning || m.Pod.State == cluster.PodTerminating)
}

// mayBe says that the node may be the one in a pod that was not seen: others know it at the pod's address, or they know
// nobody there.
func mayBe(v cluster.View, m cluster.Member, id cluster.NodeID) bool {
	somebody := false
	for _, g := range v.Ghosts() {
		if m.Pod.IP == "" || g.Addr.IP != m.Pod.IP {
			continue
		}
		if g.ID == id {
			return true
		}
		somebody = true
	}
	return !somebody
}

// silence says what would prove that nothing runs in a pod that cannot be asked.
func silence(m cluster.Member) string {
	if m.Pod.Host == "" {
		return m.Pod.Name + " does not answer"
	}
	return fmt.Sprintf("%s does not answer; once it is certain that host %s is off, run: "+
		"kubectl taint node %s node.kubernetes.io/out-of-service=nodeshutdown:NoExecute", m.Pod.Name, m.Pod.Host, m.Pod.Host)
}

// mayReturn says that a node that is not there may come back from a volume.
func mayReturn(v cluster.View) bool {
	return slices.ContainsFunc(v.Volumes, func(ordinal int) bool {
		return !slices.ContainsFunc(v.Members, func(m cluster.Member) bool { return m.Pod.Ordinal == ordinal && m.Seen() })
	})
}

func newestEpoch(v cluster.View) uint64 {
	var newest uint64
	for _, m := range v.Members {
		if m.Info != nil {
			newest = max(newest, m.Info.CurrentEpoch)
		}
	}
	return newest
}

// failed says that a table suspects the node, or that it is in no pod.
func failed(v cluster.View, id cluster.NodeID) bool {
	return suspected(v, id) || complete(v) && len(v.Aside) == 0
}

// suspected says that a table suspects the node, or knows that it has failed.
func suspected(v cluster.View, id cluster.NodeID) bool {
	return slices.ContainsFunc(v.Members, func(m cluster.Member) bool {
		if m.Info == nil {
			return false
		}
		i := m.Info.Table.Index(id)
		return i >= 0 && (m.Info.Table[i].Flags.Fail || m.Info.Table[i].Flags.PFail)
	})
}
