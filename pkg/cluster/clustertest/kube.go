package clustertest

import (
	"fmt"
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const noRoom = "Unschedulable: 0/3 nodes are available: insufficient memory"

// Tick lets time pass: pods start and stop, nodes talk, vote and copy.
func (w *World) Tick() {
	w.now++
	for _, p := range slices.Clone(w.pods) {
		switch {
		case p.lost:
		case p.State == cluster.PodTerminating && w.now >= p.goneAt:
			w.remove(p)
		case w.flaws[p.made] != "" && w.flaws[p.made] != Lame && p.node == nil && p.State <= cluster.PodRunning:
			w.falter(p)
		case p.State == cluster.PodPending && w.now >= p.startAt && !p.stuck && !w.full() && w.provision(p):
			w.start(p)
		case p.State == cluster.PodRunning && p.node == nil && w.now >= p.startAt && !p.full:
			p.node = w.load(p)
		}
	}
	w.grow()
	for _, n := range slices.Concat(w.running(), w.strays) {
		for _, e := range slices.Clone(n.table[1:]) {
			w.ping(n, e)
		}
	}
	if !w.busCut {
		w.vote()
	}
	for _, n := range w.running() {
		w.replicate(n)
	}
	w.migrate()
	w.invite()
}

// invite lets clients write once the cluster has been in order for some time: nodes have keys from then on.
func (w *World) invite() {
	if w.quiet >= clientsCome {
		return
	}
	w.quiet++
	if w.Owned() != cluster.AllSlots() || slices.ContainsFunc(w.running(), func(n *node) bool { return !n.stateOK() }) {
		w.quiet = 0
	}
}

// create makes a pod that starts some ticks later.
func (w *World) create(ordinal int) {
	if slices.ContainsFunc(w.pods, func(p *pod) bool { return p.Ordinal == ordinal }) || !w.claimFor(ordinal) {
		return
	}
	w.born++
	host := w.settings.Hosts[ordinal%len(w.settings.Hosts)]
	if w.settings.Scatter {
		host = w.settings.Hosts[w.rng.IntN(len(w.settings.Hosts))]
	}
	name := fmt.Sprintf("demo-%d", ordinal)
	w.pods = append(w.pods, &pod{
		Pod:     cluster.Pod{Name: name, Ordinal: ordinal, UID: fmt.Sprintf("%s-%d", name, w.born), Host: host.Name, Zone: host.Zone},
		startAt: w.now + 1 + w.rng.IntN(w.settings.StartTime),
		made:    w.template,
		asked:   w.size, given: w.size, noted: w.size,
	})
	slices.SortFunc(w.pods, func(a, b *pod) int { return a.Ordinal - b.Ordinal })
}

// full says that no more pods can be scheduled. Those that wait say why.
func (w *World) full() bool {
	scheduled := 0
	for _, p := range w.pods {
		if p.State != cluster.PodPending {
			scheduled++
		}
	}
	full := w.room > 0 && scheduled >= w.room
	for _, p := range w.pods {
		if full && p.State == cluster.PodPending {
			p.Trouble = noRoom
		}
	}
	return full
}

// start runs a pod's process for the first time, at a new address.
func (w *World) start(p *pod) {
	w.born++
	p.State, p.Trouble = cluster.PodRunning, ""
	p.IP = fmt.Sprintf("10.0.%d.%d", w.born/250, w.born%250+1)
	p.node = w.load(p)
	w.bind(p)
}

// load is the node of a pod's volume at the pod's address, or a new one.
func (w *World) load(p *pod) *node {
	n := w.disks[p.Ordinal]
	delete(w.disks, p.Ordinal)
	if n == nil {
		w.born++
		n = newNode(w.newID(), p.IP)
	}
	n.self().ip, n.knob = p.IP, w.knob.written
	for _, e := range n.table[1:] {
		e.missed = 1
	}
	n.table = slices.DeleteFunc(n.table, func(e *entry) bool { return e.handshake })
	n.started = w.now
	n.followed, n.alone, n.lame = false, 0, w.flaws[p.made] == Lame
	if n.self().role == cluster.Replica {
		n.copying = copyTime
	}
	if w.settings.Join && len(n.table) == 1 {
		for _, other := range w.running() {
			n.meet(other.self().ip, w)
		}
	}
	return n
}

func (w *World) newID() cluster.NodeID {
	return cluster.NodeID(fmt.Sprintf("%016x%024x", w.rng.Uint64(), w.born))
}

// stop ends a pod's process. Its volume keeps what it knew.
func (w *World) stop(p *pod) {
	if p.node != nil {
		p.node.tasks = nil
		w.disks[p.Ordinal], p.node = p.node, nil
	}
}

// remove ends a pod for good, and its volume with it when volumes go with their pods.
func (w *World) remove(p *pod) {
	w.stop(p)
	w.pods = slices.DeleteFunc(w.pods, func(other *pod) bool { return other == p })
	if w.settings.Ephemeral {
		delete(w.disks, p.Ordinal)
	}
	w.release(p)
}

// Kill removes a pod at once, as when it is deleted by force. Somebody has to create it again.
func (w *World) Kill(names ...string) *World {
	for _, name := range names {
		w.remove(w.pod(name))
	}
	return w
}

// Restart ends a pod's process; it starts again in the same pod, at the same address, with what it had: even a
// volume that goes with the pod outlives a container.
func (w *World) Restart(names ...string) *World {
	for _, name := range names {
		p := w.pod(name)
		w.stop(p)
		p.startAt = w.now + 1 + w.rng.IntN(w.settings.StartTime)
	}
	return w
}

// Wipe empties the volumes of pods that Kill removed or Restart ended.
func (w *World) Wipe(ordinals ...int) *World {
	for _, ordinal := range ordinals {
		delete(w.disks, ordinal)
	}
	return w
}

// Evict ends a pod for good.
func (w *World) Evict(name string) *World {
	p := w.pod(name)
	if w.stop(p); w.settings.Ephemeral {
		delete(w.disks, p.Ordinal) // nothing will ever run there again
	}
	p.State, p.Trouble = cluster.PodEnded, "Evicted: the node was low on memory"
	return w
}

// Stop asks a pod to stop, as kubectl delete does.
func (w *World) Stop(name string) *World {
	p := w.pod(name)
	if p.State != cluster.PodTerminating {
		p.State, p.goneAt = cluster.PodTerminating, w.now+stopTime
	}
	return w
}

// LoseHost ends everything on a host, as when it is powered off. Kubernetes does not know yet. Pods that are made from
// now on go elsewhere, where there is an elsewhere.
func (w *World) LoseHost(name string) *World {
	for _, p := range w.pods {
		if p.Host == name && p.State != cluster.PodEnded {
			w.stop(p)
			p.lost = true
		}
	}
	others := slices.DeleteFunc(slices.Clone(w.settings.Hosts), func(h cluster.Host) bool { return h.Name == name })
	if len(others) > 0 {
		w.settings.Hosts = others
	}
	return w
}

// Shut cordons a host, or opens it again.
func (w *World) Shut(name string, shut bool) *World {
	w.shut = slices.DeleteFunc(w.shut, func(host string) bool { return host == name })
	if shut {
		w.shut = append(w.shut, name)
	}
	return w
}

// MissHost has Kubernetes notice that a host is silent.
func (w *World) MissHost(name string) *World {
	for _, p := range w.pods {
		p.HostSilent = p.HostSilent || p.Host == name
	}
	return w
}

// GiveUpHost says that a host that was lost is gone for good; what was there without a volume is gone with it. Of pods
// that were abandoned without a volume nobody ever says so.
func (w *World) GiveUpHost(name string) *World {
	for _, p := range w.pods {
		if p.Host == name && p.lost && (!p.Overdue || !w.settings.Ephemeral) {
			p.HostGone = true
			if w.settings.Ephemeral {
				delete(w.disks, p.Ordinal)
			}
		}
	}
	return w
}

// Abandon asks a pod to stop that cannot be: its host is off, and nobody says so.
func (w *World) Abandon(name string) *World {
	p := w.pod(name)
	w.stop(p)
	p.lost, p.State, p.Overdue = true, cluster.PodTerminating, true
	return w
}

// Stuck makes a pod that has not started unschedulable, or lets it go on.
func (w *World) Stuck(name string, stuck bool) *World {
	p := w.pod(name)
	if p.State == cluster.PodPending {
		p.stuck, p.Trouble = stuck, ""
		if stuck {
			p.Trouble = noRoom
		}
	}
	return w
}

// Room limits how many pods can be scheduled; 0 lifts the limit.
func (w *World) Room(pods int) *World {
	w.room = pods
	return w
}

// Lose sets the share of packets that are lost from now on.
func (w *World) Lose(share float64) *World {
	w.settings.Loss = share
	return w
}

// Split has the replica in a pod be a primary beside its own, as when that one was away, was replaced, and has come back
// with slots that it was given in its last moment: nobody else had heard of that. It is left so many slots, at most half.
func (w *World) Split(name string, left int) *World {
	heir := w.pod(name).node
	if heir == nil || heir.self().role != cluster.Replica || heir.copying > 0 {
		return w
	}
	former := w.known(heir.self().primary)
	if former == nil || former.self().slots == nil || len(former.marks)+len(former.tasks) > 0 {
		return w
	}
	owned := set(former.self().slots)
	kept := owned.Take(min(left, owned.Len()/2))
	given := owned.Minus(kept)
	for _, n := range w.running() {
		heir.current = max(heir.current, n.current)
	}
	heir.current++
	self := heir.self()
	self.role, self.primary, self.epoch, self.slots = cluster.Primary, "", heir.current, share(given)
	former.self().slots = share(kept)
	heir.data, former.data = heir.data.minus(kept), former.data.minus(given)
	for _, n := range w.running() {
		for _, told := range []*node{heir, former} {
			if e := n.find(told.id); e != nil && n != told {
				e.role, e.primary, e.epoch, e.slots = cluster.Primary, "", told.self().epoch, told.self().slots
				n.current = max(n.current, heir.current)
			}
		}
	}
	return w
}

// known is the running node with an ID; nil: there is none.
func (w *World) known(id cluster.NodeID) *node {
	for _, n := range w.running() {
		if n.id == id {
			return n
		}
	}
	return nil
}

// Outdate marks a pod as made from an older template.
func (w *World) Outdate(name string) *World {
	w.pod(name).Outdated = true
	return w
}

// OutdateAgent marks the agent in a pod as one of an older image.
func (w *World) OutdateAgent(name string) *World {
	w.pod(name).AgentOutdated = true
	return w
}

// Hide keeps the operator from reaching a node, or lets it again.
func (w *World) Hide(name string, hidden bool) *World {
	w.pod(name).hidden = hidden
	return w
}

// CutBus has no packet between nodes arrive, or all of them again.
func (w *World) CutBus(cut bool) *World {
	w.busCut = cut
	return w
}

// Fill gives a node keys.
func (w *World) Fill(name string, keys int64) *World {
	w.pod(name).node.keys = keys
	return w
}

// FailWrites has a node say that it could not write to its disk; "" takes it back.
func (w *World) FailWrites(name, fault string) *World {
	n := w.pod(name).node
	n.writeFault, n.info = fault, nil
	return w
}

// Meet has one node meet another, as by hand.
func (w *World) Meet(name, peer string) *World {
	if n := w.pod(name).node; n != nil && w.pod(peer).IP != "" {
		n.meet(w.pod(peer).IP, w)
	}
	return w
}

// Stranger lets a node of somebody else's cluster into this one.
func (w *World) Stranger(ip string) *World {
	n := newNode(w.newID(), ip)
	w.strays = append(w.strays, n)
	if w.pods[0].IP != "" {
		n.meet(w.pods[0].IP, w)
	}
	return w
}

// Leave ends all strangers.
func (w *World) Leave() *World {
	w.strays = nil
	return w
}

// Ticks lets time pass.
func (w *World) Ticks(n int) *World {
	for range n {
		w.Tick()
	}
	return w
}

// Pods is the names of the pods there are, by ordinal.
func (w *World) Pods() []string {
	names := make([]string, len(w.pods))
	for i, p := range w.pods {
		names[i] = p.Name
	}
	return names
}

// ID is the node in a pod; "" when none runs.
func (w *World) ID(name string) cluster.NodeID {
	if n := w.pod(name).node; n != nil {
		return n.id
	}
	return ""
}
