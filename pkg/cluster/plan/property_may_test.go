package plan_test

import (
	"slices"
	"strings"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// proper holds a step against what was seen.
func (r *run) proper(view cluster.View, d plan.Decision) {
	unseen, stranger := false, false
	for _, m := range view.Members { // a pod in which redis never ran, and without a volume, has nothing to be seen
		never := m.Pod.State == cluster.PodPending || m.Pod.HostGone || m.Pod.State == cluster.PodEnded
		unseen = unseen || !m.Seen() && (!never || slices.Contains(view.Volumes, m.Pod.Ordinal))
	}
	for _, g := range view.Ghosts() {
		stranger = stranger || strings.HasPrefix(g.Addr.IP, "192.168.") && g.Answers
	}
	switch s := d.Step.(type) {
	case plan.DeletePod:
		r.mayGo(view, d, s)
	case plan.AddSlots:
		if unseen || stranger {
			r.fail("slots are given by an incomplete view")
		}
		for _, g := range s.Grants {
			r.mayBegin(view, g.Slots)
		}
	case plan.Forget:
		if unseen || stranger {
			r.fail("a node is forgotten by an incomplete view")
		}
		for _, g := range view.Ghosts() {
			if !g.Slots.IsEmpty() && r.wanted.Bootstrapped && slices.Contains(s.Bans[0].Nodes, g.ID) {
				r.mayBegin(view, g.Slots)
			}
		}
	case plan.Meet:
		if stranger {
			r.fail("nodes meet while a stranger is among them")
		}
	case plan.Replicate:
		if stranger || (unseen && !r.wanted.Bootstrapped && !view.Covered()) {
			r.fail("roles are given by an incomplete view")
		}
	case plan.MoveSlots:
		r.mayMove(view, s)
	case plan.CloseSlots:
		if stranger {
			r.fail("slots are closed while a stranger is among the nodes")
		}
	case plan.Failover:
		r.mayPromote(view, s)
	case plan.Configure:
		if r.wanted.Paused || stranger {
			r.fail("settings are changed while the cluster is paused, or not ours")
		}
	case plan.CreatePods:
		r.mayStart(view, s)
	case plan.ResizePod:
		r.mayResize(view, s)
	case plan.UpdateAgent, plan.Wait:
	}
}

// mayBegin says which slots may be given out, or taken from a node that is dead: at birth, or when nobody has any of
// their keys, and then only with consent or when nothing at all is left.
func (r *run) mayBegin(view cluster.View, slots cluster.SlotSet) {
	if !r.wanted.Bootstrapped {
		return
	}
	if kept := slots.Intersect(r.world.Held()); !kept.IsEmpty() {
		r.fail("slots %s begin anew while there is a copy of them", kept)
	}
	nothing := !slices.ContainsFunc(view.Members, func(m cluster.Member) bool { return !m.Seen() || m.Info.Keys > 0 })
	if !slots.Minus(r.wanted.GiveUp).IsEmpty() && !nothing {
		r.fail("slots %s begin anew without consent", slots)
	}
}

// mayPromote says who may take whose place: the model refuses a primary that is alive.
func (r *run) mayPromote(view cluster.View, s plan.Failover) {
	m, _ := view.Member(s.Node)
	if s.Mode == plan.TakeOver {
		for _, other := range view.Members {
			if i := other.ID(); i == s.Primary {
				r.fail("%s takes over from %s, which answers", s.Pod, other.Pod.Name)
			}
		}
		return
	}
	for _, other := range view.Members {
		unlinked := !other.Info.LinkUp && (!other.Pod.Superseded() || other.Pod.Name == s.Pod)
		if !other.Live() || unlinked || !other.Info.StateOK || len(other.Info.Self().Open) > 0 {
			r.fail("%s takes over by plan while %s is not well", m.Pod.Name, other.Pod.Name)
		}
	}
	if r.wanted.Closed != "" {
		r.fail("%s takes over by plan while no window is open", m.Pod.Name)
	}
	if m.Pod.Superseded() && !r.wanted.Failback {
		r.fail("%s takes over by an update, and is not updated", m.Pod.Name)
	}
}

// mayRoll says when a replica may be replaced: its primary is there, and every other pod counts but those that are to
// be replaced as well: one at a time is missed.
func (r *run) mayRoll(view cluster.View, m cluster.Member, s plan.DeletePod) {
	primary, _ := view.Member(s.Primary)
	if !primary.Live() || m.Follows() != s.Primary || !view.Served() || !m.Pod.Superseded() {
		r.fail("%s is replaced, whose primary is not there, or who need not be", s.Pod)
	}
	if bound := m.Pod.Volume && m.Pod.HostShut != ""; bound || r.wanted.Closed != "" && m.Info.LinkUp && m.Pod.Ready {
		r.fail("%s is replaced while no window is open, or where it would not come back", s.Pod)
	}
	for _, other := range view.Members {
		if !other.Live() || (!other.Info.LinkUp || !other.Pod.Ready) && !other.Pod.Superseded() {
			r.fail("%s is replaced while %s is not well", s.Pod, other.Pod.Name)
		}
	}
}

// mayMove says where slots may go.
func (r *run) mayMove(view cluster.View, s plan.MoveSlots) {
	var moving cluster.SlotSet
	for _, m := range view.Members {
		if !m.Live() || len(m.Info.Self().Open) > 0 && m.Role() == cluster.Primary {
			r.fail("slots move while %s is not well", m.Pod.Name)
		}
	}
	for _, m := range s.Moves {
		from, _ := view.Member(m.From.Node)
		if both := moving.Intersect(m.Slots); !both.IsEmpty() || !m.Slots.Minus(from.Info.Self().Slots).IsEmpty() {
			r.fail("slots %s move twice, or slots that %s does not own", both, m.From.Pod)
		}
		moving = moving.Union(m.Slots)
		synced := 0
		for _, c := range view.Members {
			if c.Follows() == m.To.Node && c.Info.LinkUp {
				synced++
			}
		}
		if to, _ := view.Member(m.To.Node); to.Role() != cluster.Primary || synced < min(r.wanted.Replicas, 1) {
			r.fail("slots move to %s, with %d replicas", m.To.Pod, synced)
		}
	}
}

// mayGo says what pod may be deleted.
func (r *run) mayGo(view cluster.View, d plan.Decision, s plan.DeletePod) {
	i := slices.IndexFunc(view.Members, func(m cluster.Member) bool { return m.Pod.Name == s.Pod })
	m := view.Members[i]
	if primary, _ := view.Member(s.Primary); s.WithVolume && (!m.Pod.Class.Changes() || !primary.Live()) {
		r.fail("the volume of %s goes, which is right, or may have a last copy", s.Pod)
	}
	switch {
	case s.KeepsVolume:
		if !r.wanted.Hibernate || r.settings.Ephemeral {
			r.fail("%s is deleted to hibernate, and its data with it", s.Pod)
		}
	case m.Pod.State == cluster.PodEnded, s.HostGone && m.Pod.HostGone && m.Info == nil:
	case m.Pod.State == cluster.PodPending && m.Info == nil && s.NeverStarted:
	case m.Down && m.Info == nil && m.Pod.Outdated && s.Stopped:
		if !view.Served() && r.wanted.Bootstrapped && !slices.Contains(view.Volumes, m.Pod.Ordinal) {
			r.fail("%s may have a last copy", s.Pod)
		}
	case d.Reason == plan.RollingUpdate:
		r.mayRoll(view, m, s)
	case m.Info == nil || view.Claimed(m.ID()):
		r.fail("%s may own slots", s.Pod)
	case m.Role() == cluster.Replica:
		for _, shard := range view.Shards() {
			others := slices.DeleteFunc(shard.Synced(), func(c cluster.Member) bool { return c.ID() == m.ID() })
			if len(others) < r.wanted.Replicas {
				r.fail("%s is deleted while shard %s has %d other copies", s.Pod, shard.ID.Short(), len(others))
			}
		}
	}
}
