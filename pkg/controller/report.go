package controller

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

// outcome is what one sync saw, decided and came to.
type outcome struct {
	view     cluster.View
	observed bool // view was looked at; otherwise err says why not
	decision plan.Decision
	moves    movement
	loops    []string // replicas that copy again and again
	refused  string   // what servers say to the spec's settings; "" when they take them
	kept     string   // what nodes keep that was taken out of the spec; "" when nothing
	misread  error    // which windows of the spec cannot be read
	volumes  volumes
	// rehearsal is what would be done; nil unless nothing is to be done but to say so.
	rehearsal *redisv1.PlanStatus
	err       error
}

// statusOf is the status that answers an outcome: a pure function, recomputed whole.
func statusOf(rc *redisv1.RedisCluster, o outcome, now time.Time) redisv1.RedisClusterStatus {
	s := *rc.Status.DeepCopy()
	s.ObservedGeneration = rc.Generation
	s.Selector = redisv1.LabelCluster + "=" + rc.Name
	s.PodsWanted = int32(rc.WantedPods()) //nolint:gosec // at most 1000 by validation
	if o.observed {
		describe(&s, o.view)
		s.NodesPlacement, s.PlacementMessage = placementOf(rc, o.view)
		s.Update = updateOf(rc, o.view)
		s.VolumeSize = o.volumes.size
	}
	if o.observed && o.rehearsal == nil {
		s.Migration = migrationOf(s.Migration, o.moves, now)
	}
	s.Plan = o.rehearsal
	ready := readyCondition(rc, s, o)
	progressing := progressingCondition(rc, o)
	degraded := degradedCondition(rc, o)
	for _, c := range []metav1.Condition{ready, progressing, degraded} {
		c.ObservedGeneration = rc.Generation
		c.LastTransitionTime = metav1.NewTime(now)
		c.Message = trim(c.Message)
		meta.SetStatusCondition(&s.Conditions, c)
	}
	return s
}

// describe fills in what a view shows.
func describe(s *redisv1.RedisClusterStatus, v cluster.View) {
	shards := v.Shards()
	assigned := cluster.SlotCount - v.Unserved().Len()
	s.Bootstrapped = s.Bootstrapped || assigned == cluster.SlotCount
	s.SlotsAssigned = count(assigned)
	s.NumberOfMaster, s.MinReplicationFactor, s.MaxReplicationFactor = 0, 0, 0
	for i, shard := range shards {
		synced := count(len(shard.Synced()))
		if i == 0 || synced < s.MinReplicationFactor {
			s.MinReplicationFactor = synced
		}
		s.MaxReplicationFactor = max(s.MaxReplicationFactor, synced)
		s.NumberOfMaster++
	}
	s.Replication = fmt.Sprintf("%d-%d", s.MinReplicationFactor, s.MaxReplicationFactor)
	s.Pods, s.PodsReady, s.Nodes = 0, 0, nil
	for _, m := range v.Members {
		s.Pods++
		if m.Pod.Ready && m.Pod.State == cluster.PodRunning {
			s.PodsReady++
		}
		s.Nodes = append(s.Nodes, nodeStatus(m))
	}
	s.PodsSummary = fmt.Sprintf("%d/%d", s.PodsReady, s.PodsWanted)
	s.FormerNodes = nil
	for _, g := range v.Ghosts() {
		if slices.Contains(v.Former, g.ID) {
			s.FormerNodes = append(s.FormerNodes, string(g.ID))
		}
	}
}

// placementOf grades the spread over hosts and, when the spec wants that, zones.
func placementOf(rc *redisv1.RedisCluster, v cluster.View) (redisv1.NodesPlacement, string) {
	if !*rc.Spec.Placement.ZoneAware {
		v = v.WithoutZones()
	}
	quality, why := v.Placement()
	if quality != cluster.Optimal {
		return redisv1.PlacementBestEffort, why
	}
	return redisv1.PlacementOptimal, ""
}

// updateOf is how far the pods are what the spec says.
func updateOf(rc *redisv1.RedisCluster, v cluster.View) *redisv1.UpdateStatus {
	s := &redisv1.UpdateStatus{Revision: objects.UpdateHash(rc)}
	for _, m := range v.Members {
		if !m.Pod.Superseded() {
			s.UpdatedPods++
		}
	}
	return s
}

func nodeStatus(m cluster.Member) redisv1.NodeStatus {
	n := redisv1.NodeStatus{
		PodName: m.Pod.Name, IP: m.Pod.IP, Host: m.Pod.Host, Zone: m.Pod.Zone, Role: redisv1.RoleNone,
		Outdated: m.Pod.Superseded(), StorageClass: m.Pod.Class.Has, Resizing: m.Pod.Resize != cluster.ResizeNone,
	}
	if !m.Seen() {
		return n
	}
	self := m.Info.Self()
	n.ID = string(self.ID)
	switch {
	case self.Role == cluster.Replica:
		n.Role, n.MasterRef = redisv1.RoleReplica, string(self.PrimaryID)
	case self.Slots.Len() > 0:
		n.Role = redisv1.RoleMaster
		for _, r := range self.Slots.Ranges() {
			n.Slots = append(n.Slots, r.String())
		}
	}
	return n
}

func readyCondition(rc *redisv1.RedisCluster, s redisv1.RedisClusterStatus, o outcome) metav1.Condition {
	c := metav1.Condition{Type: redisv1.ConditionReady, Status: metav1.ConditionFalse}
	before := meta.FindStatusCondition(rc.Status.Conditions, redisv1.ConditionReady)
	unseen := unseenPods(o.view)
	switch {
	case !o.observed && before != nil && outdated(o.err):
		return *before // something moved while it was looked at: what was true is still all that is known
	case !o.observed:
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, redisv1.ReasonReconcileError, o.err.Error()
	case hibernation(o.decision):
		c.Reason, c.Message = o.decision.Reason, o.decision.Message
	case len(unseen) > 0 && o.view.Uncovered().IsEmpty():
		// The others know who owns what: it is not the slots that are missing.
		c.Reason, c.Message = redisv1.ReasonNodesUnreachable, strings.Join(unseen, "; ")
	case s.SlotsAssigned < cluster.SlotCount:
		c.Reason = redisv1.ReasonSlotsUncovered
		c.Message = fmt.Sprintf("%d of %d slots have an owner", s.SlotsAssigned, cluster.SlotCount)
	case len(downAt(o.view)) > 0:
		c.Reason, c.Message = redisv1.ReasonClusterDown, "cluster_state is not ok at "+strings.Join(downAt(o.view), ", ")
	case s.MinReplicationFactor < *rc.Spec.ReplicationFactor:
		c.Reason = redisv1.ReasonReplicasMissing
		c.Message = fmt.Sprintf("a master has %d synced replicas of %d", s.MinReplicationFactor, *rc.Spec.ReplicationFactor)
	case s.PodsReady < s.Pods || s.Pods < s.PodsWanted && s.NumberOfMaster == *rc.Spec.NumberOfMaster:
		c.Reason = redisv1.ReasonPodsNotReady
		c.Message = fmt.Sprintf("%d of %d pods are ready", s.PodsReady, s.PodsWanted)
	default:
		c.Status, c.Reason = metav1.ConditionTrue, redisv1.ReasonHealthy
		c.Message = fmt.Sprintf("%d masters serve all slots, each with at least %d replicas in sync",
			s.NumberOfMaster, s.MinReplicationFactor)
	}
	return c
}

// hibernation says that a cluster has no pods, or soon will not, and is to have none.
func hibernation(d plan.Decision) bool {
	return d.Reason == plan.Hibernating || d.Reason == plan.Hibernated
}

func progressingCondition(rc *redisv1.RedisCluster, o outcome) metav1.Condition {
	c := metav1.Condition{Type: redisv1.ConditionProgressing, Status: metav1.ConditionTrue}
	c.Reason, c.Message = o.decision.Reason, o.decision.Message
	switch {
	case o.decision.Step == nil:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, reasonOf(o.err), o.err.Error()
	case o.rehearsal != nil:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, redisv1.ReasonDryRun, rehearsalMessage(o.rehearsal)
	case o.moves.stuck():
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, redisv1.ReasonKeyTooBig, blockedMessage(rc, o.moves.blocked)
	case slices.Contains(atRest, o.decision.Reason):
		c.Status = metav1.ConditionFalse
	}
	return c
}

// atRest are the reasons of decisions after which nothing is under way.
var atRest = []string{
	plan.Converged, plan.Paused, plan.Hibernated, plan.DataDoesNotFit, plan.UpdateAwaitsApproval, plan.AwaitingWindow,
	plan.HostInMaintenance,
}

// needAttention are the reasons of decisions to wait for a person.
var needAttention = []string{
	plan.SlotsUncovered, plan.QuorumLost, plan.ForeignNodes, plan.TwinNodes, plan.StrayKeys, plan.SlotsHalfMoved,
	plan.DataDoesNotFit, plan.DowngradeRefused, plan.BusBlocked,
}

func degradedCondition(rc *redisv1.RedisCluster, o outcome) metav1.Condition {
	c := metav1.Condition{Type: redisv1.ConditionDegraded, Status: metav1.ConditionTrue}
	trouble, faults := failingPods(o.view), volumeFaults(o.view)
	switch {
	case o.err != nil && !outdated(o.err):
		c.Reason, c.Message = reasonOf(o.err), o.err.Error()
	case len(trouble) > 0:
		c.Reason, c.Message = redisv1.ReasonPodFailing, strings.Join(trouble, "; ")
	case len(faults) > 0:
		c.Reason, c.Message = redisv1.ReasonVolumeFull, strings.Join(faults, "; ")
	case len(o.volumes.refused) > 0:
		c.Reason, c.Message = redisv1.ReasonVolumeCannotGrow, some(o.volumes.refused)
	case o.misread != nil:
		c.Reason, c.Message = redisv1.ReasonInvalidSpec, o.misread.Error()
	case o.moves.trouble != nil:
		c.Reason, c.Message = redisv1.ReasonMoveFailed, o.moves.trouble.Error()
	case len(o.moves.blocked) > 0:
		c.Reason, c.Message = redisv1.ReasonKeyTooBig, blockedMessage(rc, o.moves.blocked)
	case slices.Contains(needAttention, o.decision.Reason):
		c.Reason, c.Message = o.decision.Reason, o.decision.Message
	case len(o.loops) > 0:
		c.Reason, c.Message = redisv1.ReasonSyncLoop, strings.Join(o.loops, "; ")
	default:
		c.Reason, c.Message = settingsFault(rc, o)
	}
	if c.Reason == "" {
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, redisv1.ReasonHealthy, "nothing is wrong"
	}
	return c
}

// settingsFault is what is wrong with what nodes are to run with, and why; "" when nothing is.
func settingsFault(rc *redisv1.RedisCluster, o outcome) (reason, message string) {
	if o.refused != "" {
		return redisv1.ReasonSettingRefused, o.refused
	}
	if o.kept != "" {
		return redisv1.ReasonSettingKept, o.kept
	}
	if stalls := resizeStalls(o.view); len(stalls) > 0 {
		return redisv1.ReasonResizeStalled, strings.Join(stalls, "; ")
	}
	if message = noHeadroom(rc); message != "" {
		return redisv1.ReasonNoHeadroom, message
	}
	return "", ""
}

// failingPods names the pods that cannot start and why, in the view's order.
func failingPods(v cluster.View) []string {
	var out []string
	for _, m := range slices.Concat(v.Members, v.Aside) {
		if m.Pod.Trouble != "" {
			out = append(out, m.Pod.Name+": "+m.Pod.Trouble)
		}
	}
	return out
}

// volumeFaults names the pods whose node cannot write to its volume, and what is wrong, in the view's order.
func volumeFaults(v cluster.View) []string {
	var out []string
	for _, m := range v.Members {
		if m.VolumeFault != "" {
			out = append(out, m.Pod.Name+": "+m.VolumeFault)
		}
	}
	return out
}

// some is the first of what is the same for many, and how many more there are.
func some(messages []string) string {
	if len(messages) == 1 {
		return messages[0]
	}
	return fmt.Sprintf("%s; and %d more", messages[0], len(messages)-1)
}

// unseenPods names the running pods whose node could not be asked, in the view's order.
func unseenPods(v cluster.View) []string {
	var out []string
	for _, m := range v.Members {
		if m.Pod.State == cluster.PodRunning && !m.Seen() {
			out = append(out, m.Pod.Name+": "+m.Unseen)
		}
	}
	return out
}

// downAt names the pods whose node finds the cluster not in order, in the view's order.
func downAt(v cluster.View) []string {
	var out []string
	for _, m := range v.Members {
		if m.Seen() && !m.Info.StateOK {
			out = append(out, m.Pod.Name)
		}
	}
	return out
}

// trim keeps a message within what a person reads (a condition may hold 32768 bytes). What is not text is replaced
// as the API server would: a status that comes back different from how it was sent would be written for ever.
func trim(message string) string {
	const limit, more = 1024, "…"
	message = strings.ToValidUTF8(message, string(utf8.RuneError))
	if len(message) <= limit {
		return message
	}
	return strings.ToValidUTF8(message[:limit-len(more)], "") + more
}

func count(n int) int32 { return int32(n) } //nolint:gosec // counts of slots and pods: below 16385
