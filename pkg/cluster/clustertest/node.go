package clustertest

import (
	"cmp"
	"slices"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// node is a redis-server. The first entry of its table is itself.
type node struct {
	id      cluster.NodeID
	table   []*entry
	current uint64 // currentEpoch
	data    dataset
	// offset is how far it is in its shard's stream of writes: what goes out of it makes it longer, too, so that it is
	// not the one with the most keys that has received most.
	offset  int64
	keys    int64 // that are in no slot of a cluster
	knob    int   // what it runs with
	copying int   // ticks until it is in sync with its primary; 0: it is
	// followed says that it has been in sync since it was started, or told whom to follow; alone is for how many ticks it
	// has had no link since.
	followed bool
	alone    int
	started  int  // when its process was
	lame     bool // it cannot read what its primary sends
	marks    marks
	tasks    []task
	// unclaimed is slots of which the owner does not say any more that it owns them: whoever says so gets them.
	unclaimed cluster.SlotSet
	bans      map[cluster.NodeID]int // until when
	// writeFault is what it says of its disk; "" when that is well.
	writeFault string
	info       *cluster.NodeInfo // as last seen
	shown      []slotSet         // of the lines of info
}

// slotSet is a set that never changes, so that tables can share it; nil is the empty one. It makes comparing cheap.
type slotSet *cluster.SlotSet

func share(s cluster.SlotSet) slotSet {
	if s.IsEmpty() {
		return nil
	}
	return &s
}

func set(s slotSet) cluster.SlotSet {
	if s == nil {
		return cluster.SlotSet{}
	}
	return *s
}

// entry is what a node knows of a node.
type entry struct {
	id        cluster.NodeID
	ip        string
	role      cluster.Role
	primary   cluster.NodeID
	epoch     uint64
	slots     slotSet
	handshake bool
	pfail     bool
	fail      bool
	missed    int
}

func newNode(id cluster.NodeID, ip string) *node {
	return &node{
		id: id, bans: map[cluster.NodeID]int{},
		table: []*entry{{id: id, ip: ip, role: cluster.Primary}},
	}
}

func (n *node) self() *entry { return n.table[0] }

func (n *node) find(id cluster.NodeID) *entry {
	for _, e := range n.table {
		if e.id == id && !e.handshake {
			return e
		}
	}
	return nil
}

func (n *node) remove(gone *entry) {
	n.table = slices.DeleteFunc(n.table, func(e *entry) bool { return e == gone })
}

// owners is the primaries with slots that the node knows.
func (n *node) owners() []*entry {
	return slices.DeleteFunc(slices.Clone(n.table), func(e *entry) bool {
		return e.role != cluster.Primary || e.slots == nil
	})
}

// stateOK is cluster_state: all slots have an owner that has not failed, and a majority of owners is heard.
func (n *node) stateOK() bool {
	covered, heard := cluster.SlotSet{}, 0
	owners := n.owners()
	for _, e := range owners {
		if !e.fail {
			covered = covered.Union(*e.slots)
		}
		if !e.fail && !e.pfail {
			heard++
		}
	}
	return covered == cluster.AllSlots() && 2*heard > len(owners)
}

// hear is a packet that arrived from a node that is known: what the sender says of itself.
func (n *node) hear(from *node) {
	e, said := n.find(from.id), from.self()
	if e == nil {
		return
	}
	e.ip, e.role, e.primary, e.epoch = said.ip, said.role, said.primary, said.epoch
	e.missed, e.pfail, e.fail = 0, false, false
	n.current = max(n.current, from.current)
	if said.role == cluster.Replica {
		e.slots = nil
		return
	}
	self := n.self()
	if self.role == cluster.Primary && self.epoch == said.epoch && n.id < from.id {
		n.current++ // a collision: the lower ID takes a new epoch
		self.epoch = n.current
	}
	if e.slots != said.slots {
		n.unclaimed = n.unclaimed.Union(set(e.slots).Minus(set(said.slots)))
	}
	n.learn(e, said.slots, from)
}

// claimed is what a claim is worth to the node: it holds on to the owner of slots that it imports.
func (n *node) claimed(claim slotSet) slotSet {
	if claim == nil || len(n.marks) == 0 || n.self().role == cluster.Replica {
		return claim
	}
	if held := n.marks.slots(true).Intersect(*claim); !held.IsEmpty() {
		return share(set(claim).Minus(held))
	}
	return claim
}

// learn takes a claim: a slot goes to the higher epoch. Who claims what somebody else has is told so.
func (n *node) learn(e *entry, claim slotSet, from *node) {
	if claim = n.claimed(claim); claim == nil || e.slots == claim {
		return
	}
	self := n.self()
	follows := self
	if self.role == cluster.Replica {
		follows = n.find(self.primary)
	}
	won := *claim
	lost := false
	for _, other := range n.table {
		if other == e || other.slots == nil {
			continue
		}
		overlap := set(other.slots).Intersect(*claim)
		if other.epoch >= e.epoch && other != self {
			free := overlap.Intersect(n.unclaimed) // its owner does not say so any more
			if !free.IsEmpty() {
				other.slots = share(set(other.slots).Minus(free))
				overlap = overlap.Minus(free)
			}
		}
		switch {
		case overlap.IsEmpty():
		case other.epoch >= e.epoch:
			won = won.Minus(overlap)
			if from != nil {
				from.update(other)
			}
		default:
			other.slots = share(set(other.slots).Minus(overlap))
			if other == self {
				n.write(n.data.minus(overlap))
			}
			// cluster-allow-replica-migration is off: only who has taken all that it has from it is followed.
			lost = lost || other == follows && other.slots == nil && overlap == *claim
		}
	}
	n.unclaimed = n.unclaimed.Minus(won)
	if set(e.slots).Minus(won).IsEmpty() && won == *claim {
		e.slots = claim
	} else {
		e.slots = share(set(e.slots).Union(won))
	}
	if lost {
		n.follow(e.id)
	}
}

// update is a packet that tells of a newer owner.
func (n *node) update(newer *entry) {
	e := n.find(newer.id)
	if e == nil || e == n.self() || newer.epoch <= e.epoch {
		return
	}
	e.epoch, e.role, e.primary = newer.epoch, cluster.Primary, ""
	n.learn(e, newer.slots, nil)
}

// write makes this what the node has.
func (n *node) write(data dataset) {
	n.data = data
	n.offset++
}

// follow makes the node a replica; it copies everything anew.
func (n *node) follow(primary cluster.NodeID) {
	self := n.self()
	if self.role == cluster.Replica && self.primary == primary {
		return
	}
	self.role, self.primary, self.slots = cluster.Replica, primary, nil
	n.data, n.offset, n.copying, n.marks, n.tasks = dataset{}, 0, copyTime, nil, nil
	n.followed, n.alone = false, 0
}

// gossip tells another node of all that this one knows.
func (w *World) gossip(from, to *node) {
	for _, e := range from.table {
		if e.handshake || e.ip == "" || e.id == to.id {
			continue
		}
		known := to.find(e.id)
		switch {
		case known == nil && to.bans[e.id] < w.now && (e.missed == 0 || e.slots != nil):
			to.table = append(to.table, &entry{id: e.id, ip: e.ip, role: e.role, missed: 1})
		case known != nil && (known.fail || known.pfail) && !e.fail && !e.pfail && known.ip != e.ip && e.missed == 0:
			known.ip, known.missed, known.pfail, known.fail = e.ip, 0, false, false
		}
	}
}

// ping is one node's packet to one that it knows, and the answer.
func (w *World) ping(n *node, e *entry) {
	peer := w.reachable(e.ip)
	if w.busCut {
		peer = nil
	}
	lost := w.rng.Float64() < w.settings.Loss
	switch {
	case e.handshake && peer != nil && peer != n:
		w.shake(n, e, peer)
	case peer != nil && peer.id != e.id && !e.handshake:
		e.ip = "" // somebody else answers there
	case peer == nil && e.handshake && e.missed >= nodeTimeout:
		n.remove(e)
	case peer == nil || e.handshake || lost:
		e.missed++
		e.pfail = !e.handshake && e.missed >= nodeTimeout
	default:
		n.hear(peer)
		peer.hear(n)
		w.gossip(n, peer)
		w.gossip(peer, n)
	}
}

// shake ends a handshake: both know each other, at their addresses of now.
func (w *World) shake(n *node, e *entry, peer *node) {
	n.remove(e)
	for _, pair := range [][2]*node{{n, peer}, {peer, n}} {
		if known := pair[0].find(pair[1].id); known == nil {
			pair[0].table = append(pair[0].table, &entry{id: pair[1].id, ip: pair[1].self().ip, role: cluster.Primary})
		}
		pair[0].hear(pair[1])
	}
}

// vote has each node fail those that a majority of owners suspects, and replicas of failed primaries take over.
func (w *World) vote() {
	for _, n := range w.running() {
		for _, e := range n.table {
			if e.pfail && !e.fail && 2*w.witnesses(n, e.id) > len(n.owners()) {
				e.fail = true
			}
		}
	}
	for _, shard := range w.headless() {
		candidates := w.candidates(shard)
		if len(candidates) > 0 {
			w.promote(candidates[0], shard)
		}
	}
}

// witnesses is how many owners that the node knows suspect this one too.
func (w *World) witnesses(n *node, id cluster.NodeID) int {
	count := 0
	for _, owner := range n.owners() {
		voter := w.reachable(owner.ip)
		if voter == nil || voter.id != owner.id {
			continue
		}
		if e := voter.find(id); e != nil && (e.pfail || e.fail) {
			count++
		}
	}
	return count
}

// headless is the failed primaries that a replica still follows, sorted.
func (w *World) headless() []cluster.NodeID {
	var ids []cluster.NodeID
	for _, n := range w.running() {
		if p := n.find(n.self().primary); p != nil && p.fail && p.slots != nil {
			ids = append(ids, p.id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// candidates is the replicas of the primary that a majority would elect, the one that has received most first: the others
// wait a second for each that is before them (cluster.c, clusterGetSlaveRank). One that has had no link since it was
// started does not stand: to Redis it was disconnected for ever, so that cluster-replica-validity-factor keeps it back
// (seen with Redis 7.0.15 and Valkey 9.1.2).
func (w *World) candidates(primary cluster.NodeID) []*node {
	var candidates []*node
	for _, n := range w.running() {
		p := n.find(primary)
		if n.self().primary != primary || p == nil || !p.fail || p.slots == nil || !n.followed {
			continue
		}
		votes := 0
		for _, owner := range n.owners() {
			voter := w.reachable(owner.ip)
			if voter != nil && voter.id == owner.id && voter.self().role == cluster.Primary && voter.wouldVote(n, p) {
				votes++
			}
		}
		if 2*votes > len(n.owners()) {
			candidates = append(candidates, n)
		}
	}
	slices.SortStableFunc(candidates, func(a, b *node) int {
		return cmp.Or(cmp.Compare(b.offset, a.offset), cmp.Compare(a.id, b.id))
	})
	return candidates
}

// wouldVote says that the voter too holds the primary for failed, and knows no newer owner of its slots.
func (n *node) wouldVote(candidate *node, primary *entry) bool {
	known := n.find(primary.id)
	if known == nil || !known.fail || n.find(candidate.id) == nil {
		return false
	}
	return !slices.ContainsFunc(n.table, func(e *entry) bool {
		return e.epoch > primary.epoch && !set(e.slots).Intersect(set(primary.slots)).IsEmpty()
	})
}

func (w *World) promote(n *node, shard cluster.NodeID) {
	for _, other := range w.running() {
		n.current = max(n.current, other.current)
	}
	n.current++
	w.loseMarks(shard)
	for _, gone := range w.disks {
		if gone.id == shard { // what only it has is lost: it will follow whoever took its place
			gone.data = dataset{}
		}
	}
	primary, self := n.find(shard), n.self()
	self.role, self.primary, self.epoch = cluster.Primary, "", n.current
	self.slots, primary.slots = primary.slots, nil
	n.copying = 0
	for _, other := range w.running() { // who takes over tells everybody at once
		if other != n {
			other.hear(n)
		}
	}
}

// linkDown is for how long a replica has had no link.
func (n *node) linkDown() time.Duration {
	switch {
	case n.self().role != cluster.Replica || n.copying == 0:
		return 0
	case !n.followed:
		return cluster.NeverLinked
	}
	return time.Duration(n.alone) * time.Second
}

// replicate brings a replica closer to its primary.
func (w *World) replicate(n *node) {
	self := n.self()
	if self.role != cluster.Replica {
		n.copying = 0
		return
	}
	known := n.find(self.primary)
	n.alone++
	if known == nil {
		n.copying = copyTime
		return
	}
	primary := w.reachable(known.ip)
	switch {
	case primary == nil || primary.id != known.id || n.lame:
		n.copying = max(1, n.copying)
	case n.copying > 1:
		n.copying--
	default:
		n.copying, n.followed, n.alone = 0, true, 0
		n.data, n.offset, n.keys = primary.data, primary.offset, primary.keys
		if self.epoch = primary.self().epoch; w.settings.CopyMarks {
			n.marks = slices.Clone(primary.marks)
		}
	}
}
