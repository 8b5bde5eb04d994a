package clustertest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// ErrRefused says that a node, or the caller's last look before harm, refused a step or a part of it. It is a
// reason to look again.
var ErrRefused = errors.New("refused")

// Apply carries out a step as the operator does: the parts that can be done are, and what must be looked at
// again before harm is looked at. It takes no time.
func (w *World) Apply(step plan.Step) error {
	var errs []error
	switch s := step.(type) {
	case plan.CreatePods:
		for _, ordinal := range s.Ordinals {
			w.create(ordinal)
		}
	case plan.DeletePod:
		errs = append(errs, w.deletePod(s))
	case plan.UpdateAgent:
		errs = append(errs, w.updateAgent(s))
	case plan.ResizePod:
		errs = append(errs, w.resizePod(s))
	case plan.Meet:
		for _, m := range s.Meetings {
			errs = append(errs, w.meetAll(m))
		}
	case plan.AddSlots:
		for _, g := range s.Grants {
			errs = append(errs, w.addSlots(g))
		}
	case plan.Replicate:
		for _, l := range s.Links {
			errs = append(errs, w.link(l))
		}
	case plan.Forget:
		for _, b := range s.Bans {
			errs = append(errs, w.forget(b))
		}
	case plan.MoveSlots:
		errs = append(errs, w.moveAll(s))
	case plan.CloseSlots:
		errs = append(errs, w.closeAll(s))
	case plan.Failover:
		errs = append(errs, w.failover(s))
	case plan.Configure:
		errs = append(errs, w.configure(s))
	case plan.Wait:
	default:
		panic(fmt.Sprintf("clustertest: unknown step %T", step))
	}
	return errors.Join(errs...)
}

// node is the node in a pod, if it runs and is the one that is meant; any one for "".
func (w *World) nodeIn(name string, id cluster.NodeID) (*node, error) {
	i := slices.IndexFunc(w.pods, func(p *pod) bool { return p.Name == name })
	if i < 0 || w.pods[i].node == nil || w.pods[i].hidden {
		return nil, fmt.Errorf("%w: %s does not run", ErrRefused, name)
	}
	if n := w.pods[i].node; id == "" || n.id == id {
		return n, nil
	}
	return nil, fmt.Errorf("%w: %s is another node", ErrRefused, name)
}

// deletePod looks again before it deletes: the pod is the one that was meant, what never started still has not,
// and a node in it owns nothing and is not the last that has its data.
func (w *World) deletePod(s plan.DeletePod) error {
	i := slices.IndexFunc(w.pods, func(p *pod) bool { return p.Name == s.Pod && p.UID == s.UID })
	if i < 0 {
		return fmt.Errorf("%w: %s is another pod", ErrRefused, s.Pod)
	}
	p := w.pods[i]
	switch {
	case s.HostGone && (!p.lost || !p.HostGone):
		return fmt.Errorf("%w: the host of %s is there", ErrRefused, s.Pod)
	case s.HostGone:
		w.remove(p)
		return nil
	case p.State == cluster.PodTerminating:
		return nil
	case p.State == cluster.PodEnded:
		w.remove(p)
		return nil
	case s.NeverStarted && p.State != cluster.PodPending:
		return fmt.Errorf("%w: %s has started", ErrRefused, s.Pod)
	case p.State == cluster.PodPending:
		w.remove(p)
		return nil
	case s.KeepsVolume && w.settings.Ephemeral:
		return fmt.Errorf("%w: %s has no volume", ErrRefused, s.Pod)
	case s.KeepsVolume:
		w.Stop(s.Pod)
		return nil
	case s.Stopped && p.node == nil:
		w.Stop(s.Pod)
		return nil
	case p.node == nil || p.hidden || s.Stopped:
		return fmt.Errorf("%w: %s cannot be asked, or runs", ErrRefused, s.Pod)
	case p.node.self().slots != nil:
		return fmt.Errorf("%w: %s owns slots", ErrRefused, s.Pod)
	case s.WithVolume && (s.Primary == "" || !w.classOf(p).Changes()):
		return fmt.Errorf("%w: the volume of %s is to stay", ErrRefused, s.Pod)
	case w.forsaken(p.node), s.Primary != "" && p.node.self().primary != s.Primary:
		return fmt.Errorf("%w: the primary of %s is not there", ErrRefused, s.Pod)
	}
	p.node.data = dataset{} // nobody will come for what is on its volume
	w.Stop(s.Pod)
	if s.WithVolume {
		w.doom(p)
	}
	return nil
}

func (w *World) meetAll(m plan.Meeting) error {
	n, err := w.nodeIn(m.Pod, "")
	if err != nil {
		return err
	}
	for _, peer := range m.Peers {
		other, err := w.nodeIn(peer, "")
		if err != nil {
			return err
		}
		n.meet(other.self().ip, w)
	}
	return nil
}

// meet is CLUSTER MEET: a handshake, unless one is under way.
func (n *node) meet(ip string, w *World) {
	if slices.ContainsFunc(n.table, func(e *entry) bool { return e.handshake && e.ip == ip }) {
		return
	}
	n.table = append(n.table, &entry{id: w.newID(), ip: ip, handshake: true})
}

// addSlots is CLUSTER SET-CONFIG-EPOCH and ADDSLOTSRANGE. What the node has already is no error.
func (w *World) addSlots(g plan.Grant) error {
	n, err := w.nodeIn(g.Pod, g.Node)
	if err != nil {
		return err
	}
	self := n.self()
	if self.role != cluster.Primary {
		return fmt.Errorf("%w: %s is a replica", ErrRefused, g.Pod)
	}
	if slices.ContainsFunc(n.table[1:], func(e *entry) bool { return !set(e.slots).Intersect(g.Slots).IsEmpty() }) {
		return fmt.Errorf("%w: %s knows an owner of these slots", ErrRefused, g.Pod)
	}
	if g.Epoch > 0 && len(n.table) == 1 && self.epoch == 0 {
		self.epoch, n.current = g.Epoch, max(n.current, g.Epoch)
	}
	self.slots = share(set(self.slots).Union(g.Slots))
	n.write(n.data.plus(allKeys(g.Slots)))
	return nil
}

// link is CLUSTER REPLICATE. A primary must be empty; a replica whose primary is away, and has slots by all that the
// replica knows, may be the last copy.
func (w *World) link(l plan.Link) error {
	n, err := w.nodeIn(l.Pod, l.Node)
	if err != nil {
		return err
	}
	self, primary := n.self(), n.find(l.Primary)
	switch {
	case primary == nil || primary.role != cluster.Primary:
		return fmt.Errorf("%w: %s knows no such primary", ErrRefused, l.Pod)
	case self.role == cluster.Primary && (self.slots != nil || w.keysOf(n) > 0):
		return fmt.Errorf("%w: %s is not empty", ErrRefused, l.Pod)
	case w.forsaken(n) && n.find(self.primary).slots != nil:
		return fmt.Errorf("%w: %s may be the last copy", ErrRefused, l.Pod)
	}
	n.follow(l.Primary)
	return nil
}

// forsaken says that the node is a replica whose primary does not answer: it may be the last copy.
func (w *World) forsaken(n *node) bool {
	primary := n.find(n.self().primary)
	if n.self().role != cluster.Replica || primary == nil {
		return false
	}
	there := w.reachable(primary.ip)
	return there == nil || there.id != primary.id
}

// failover is CLUSTER FAILOVER: TAKEOVER only from a primary that is dead, and the gentle one only from a primary that
// is there. One that was done already is no error.
func (w *World) failover(f plan.Failover) error {
	n, err := w.nodeIn(f.Pod, f.Node)
	if err != nil || n.self().role == cluster.Primary {
		return err
	}
	shard := n.self().primary
	switch {
	case shard != f.Primary:
		return fmt.Errorf("%w: %s follows another node", ErrRefused, f.Pod)
	case f.Mode == plan.TakeOver && !w.forsaken(n):
		return fmt.Errorf("%w: the primary of %s is there", ErrRefused, f.Pod)
	case f.Mode == plan.HandOver && (w.forsaken(n) || n.copying > 0):
		return fmt.Errorf("%w: %s is not in sync", ErrRefused, f.Pod)
	}
	primary := w.reachable(n.find(shard).ip)
	w.promote(n, shard)
	if f.Mode == plan.HandOver {
		primary.hear(n)
		w.save(primary)
	}
	return nil
}

// forget is CLUSTER FORGET.
func (w *World) forget(b plan.Ban) error {
	n, err := w.nodeIn(b.Pod, "")
	if err != nil {
		return err
	}
	for _, id := range b.Nodes {
		e := n.find(id)
		if id == n.id || id == n.self().primary {
			return fmt.Errorf("%w: %s cannot forget itself or its primary", ErrRefused, b.Pod)
		}
		if e != nil {
			n.remove(e)
			n.bans[id] = w.now + banTime
		}
	}
	return nil
}
