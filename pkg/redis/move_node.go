package redis

import (
	"context"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// spreadOver is how many connections share the commands that a Valkey holds back until its replicas have them.
const spreadOver = 16

// moveNode is one end of a move: its connections and what it said when the move began.
type moveNode struct {
	MoveEnd
	c    *Clients
	info *cluster.NodeInfo
	ctl  *wire

	// spread are for commands that the node answers one at a time. Valkey 8 and later give SETSLOT to their replicas
	// first and hold the client back until all of them have it, so that a pipeline costs a round trip to the replicas
	// and a write of nodes.conf for each slot: 0.4 ms of its only thread, against 35 us when sixteen clients ask. (In
	// a transaction, which a client cannot be held back in, such a server asserts and dies.)
	spread []*wire
}

func (c *Clients) newMoveNode(end MoveEnd) *moveNode {
	return &moveNode{MoveEnd: end, c: c, ctl: c.newWire(end.Endpoint)}
}

// look asks the node who it is and what it knows.
func (n *moveNode) look(ctx context.Context) error {
	info, err := n.c.Observe(ctx, n.Endpoint)
	if err != nil {
		return err
	}
	self := info.Self()
	switch {
	case self.ID != n.ID:
		err = errorf(ErrUnknownNode, "%s listens there, not %s", self.ID.Short(), n.ID.Short())
	case self.Role != cluster.Primary:
		err = errorf(ErrNotPrimary, "%s follows %s", self.ID.Short(), self.PrimaryID.Short())
	}
	n.info, n.Version = info, info.Version
	return failed("look at", n.Endpoint, err)
}

// isValkey says that the node tells every other of a new owner by itself, once for all slots of a pipeline, and
// that its replicas are told of marks, too: Valkey 8 and later. 7.2 is Redis by another name.
func (n *moveNode) isValkey() bool {
	return strings.HasPrefix(n.Version, "valkey ") && !strings.HasPrefix(n.Version, "valkey 7.")
}

// holdsBack says that SETSLOT waits for replicas.
func (n *moveNode) holdsBack() bool {
	if !n.isValkey() || n.info == nil {
		return false
	}
	for i := range n.info.Table { // by index: a Node is two kilobytes
		if n.info.Table[i].PrimaryID == n.ID {
			return true
		}
	}
	return false
}

// open are the slots that the node has open, by the other end.
func (n *moveNode) open() map[cluster.Slot]cluster.OpenSlot {
	open := map[cluster.Slot]cluster.OpenSlot{}
	for _, o := range n.info.Self().Open {
		open[o.Slot] = o
	}
	return open
}

// ownerOf is who owns the slot, as the node knows it.
func (n *moveNode) ownerOf(slot cluster.Slot) cluster.NodeID {
	for i := range n.info.Table {
		if n.info.Table[i].Slots.Has(slot) {
			return n.info.Table[i].ID
		}
	}
	return ""
}

// setSlots are SETSLOT commands: one state for each of the slots.
type setSlots struct {
	slots []cluster.Slot
	state string // MIGRATING, IMPORTING, STABLE, NODE
	node  cluster.NodeID
}

func (s setSlots) add(p *packet, slot cluster.Slot) {
	if s.node == "" {
		p.add("CLUSTER", "SETSLOT", strconv.Itoa(int(slot)), s.state)
		return
	}
	p.add("CLUSTER", "SETSLOT", strconv.Itoa(int(slot)), s.state, string(s.node))
}

// set sends SETSLOT commands, all at once: the node writes its nodes.conf once for all that it reads in one go.
func (n *moveNode) set(ctx context.Context, sets ...setSlots) error {
	if n.holdsBack() {
		return n.setSpread(ctx, sets)
	}
	p := &packet{}
	for _, s := range sets {
		for _, slot := range s.slots {
			s.add(p, slot)
		}
	}
	if p.count == 0 {
		return nil
	}
	_, err := n.ctl.ask(ctx, "cluster setslot", p)
	return err
}

func (n *moveNode) setSpread(ctx context.Context, sets []setSlots) error {
	packets := make([]*packet, 0, spreadOver)
	next := 0
	for _, s := range sets {
		for _, slot := range s.slots {
			if next == len(packets) && len(packets) < spreadOver {
				packets = append(packets, &packet{})
			}
			s.add(packets[next], slot)
			next = (next + 1) % spreadOver
		}
	}
	for len(n.spread) < len(packets) {
		n.spread = append(n.spread, n.c.newWire(n.Endpoint))
	}
	group, ctx := errgroup.WithContext(ctx)
	for i, p := range packets {
		group.Go(func() error {
			_, err := n.spread[i].ask(ctx, "cluster setslot", p)
			return err
		})
	}
	return group.Wait()
}

// closeEmpty takes the marks off slots that the node imports, and counts the keys that it has in them then.
//
// Redis 8.4 and later say that there are none in slots that are neither theirs nor imported, whatever they have. So
// there each slot is opened once more, counted and closed, in one go.
func (n *moveNode) closeEmpty(ctx context.Context, slots []cluster.Slot, from cluster.NodeID) ([]int64, error) {
	if n.isValkey() {
		if err := n.set(ctx, setSlots{slots: slots, state: "STABLE"}); err != nil {
			return nil, err
		}
		return n.ctl.countKeys(ctx, slots)
	}
	p := &packet{}
	p.begin(4 + len(slots))
	p.word("EVAL")
	p.word(closeScript)
	p.word("0")
	p.word(string(from))
	p.slots(slots)
	got, err := n.ctl.ask(ctx, "cluster countkeysinslot", p)
	if err != nil {
		return nil, err
	}
	counted := got.list[0].list
	if len(counted) != len(slots) {
		return nil, failed("cluster countkeysinslot", n.Endpoint, errorf(ErrNotRedis, "%d answers", len(counted)))
	}
	counts := make([]int64, len(slots))
	for i := range counts {
		counts[i] = counted[i].number
	}
	return counts, nil
}

const closeScript = `
local counts = {}
for i = 2, #ARGV do
  redis.call('CLUSTER', 'SETSLOT', ARGV[i], 'IMPORTING', ARGV[1])
  counts[i-1] = redis.call('CLUSTER', 'COUNTKEYSINSLOT', ARGV[i])
  redis.call('CLUSTER', 'SETSLOT', ARGV[i], 'STABLE')
end
return counts`

// slots adds slots as words.
func (p *packet) slots(slots []cluster.Slot) {
	for _, slot := range slots {
		p.word(strconv.Itoa(int(slot)))
	}
}

// countKeys is how many keys the node has in each of the slots.
func (w *wire) countKeys(ctx context.Context, slots []cluster.Slot) ([]int64, error) {
	p := &packet{}
	for _, slot := range slots {
		p.add("CLUSTER", "COUNTKEYSINSLOT", strconv.Itoa(int(slot)))
	}
	if p.count == 0 {
		return nil, nil
	}
	got, err := w.ask(ctx, "cluster countkeysinslot", p)
	if err != nil {
		return nil, err
	}
	counts := make([]int64, len(slots))
	for i := range counts {
		counts[i] = got.list[i].number
	}
	return counts, nil
}

// oneDatabase is ErrManyDatabases when the node has keys in other databases than 0. Valkey 9 can have them in a
// cluster, counts the keys of a slot in one database only, and deletes those of all when it hears that the slot is
// another's.
func (n *moveNode) oneDatabase(ctx context.Context) error {
	if !n.isValkey() {
		return nil
	}
	p := &packet{}
	p.add("INFO", "keyspace")
	got, err := n.ctl.ask(ctx, "info keyspace", p)
	if err != nil {
		return err
	}
	server := parseInfo(got.list[0].text)
	if others := server.allKeys() - server.keys("db0"); others > 0 {
		return failed("move slots from", n.Endpoint, errorf(ErrManyDatabases, "%d of them", others))
	}
	return nil
}

// offset is how far the node's replication stream has come.
func (n *moveNode) offset(ctx context.Context) (int64, error) {
	p := &packet{}
	p.add("INFO", "replication")
	got, err := n.ctl.ask(ctx, "info replication", p)
	if err != nil {
		return 0, err
	}
	return parseInfo(got.list[0].text).offset(), nil
}

func (n *moveNode) close() {
	n.ctl.close()
	for _, w := range n.spread {
		w.close()
	}
}

// copies are the replicas of a node that is taken from or brought to. A window counts as done when they have it, too.
type copies struct {
	of    *moveNode
	wires []*wire
}

const (
	// longestLag is how long replicas may take for what a window has brought.
	longestLag = 2 * time.Second
	firstLag   = 200 * time.Microsecond
)

func (n *moveNode) newCopies() *copies {
	c := &copies{of: n}
	for _, ep := range n.Copies {
		c.wires = append(c.wires, n.c.newWire(ep))
	}
	return c
}

// await waits until every replica has all that the node has given to them until now.
func (c *copies) await(ctx context.Context) error {
	if len(c.wires) == 0 {
		return nil
	}
	offset, err := c.of.offset(ctx)
	if err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, longestLag)
	defer cancel()
	var group errgroup.Group
	for _, w := range c.wires {
		group.Go(func() error { return w.awaitOffset(limit, offset) })
	}
	if err = group.Wait(); err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (w *wire) awaitOffset(ctx context.Context, offset int64) error {
	p := &packet{}
	p.add("INFO", "replication")
	for wait := firstLag; ; wait = min(2*wait, longestPoll) {
		got, err := w.ask(ctx, "info replication", p)
		if err != nil {
			return err
		}
		said := parseInfo(got.list[0].text)
		if !said.isReplica() {
			// It has taken its primary's place, and counts for itself now.
			return failed("info replication", w.ep, errorf(ErrLagging, "it is no replica any more"))
		}
		has := said.offset()
		if has >= offset {
			return nil
		}
		if !pause(ctx, wait) {
			return failed("info replication", w.ep, errorf(ErrLagging, "%d bytes are missing", offset-has))
		}
	}
}

func (c *copies) close() {
	for _, w := range c.wires {
		w.close()
	}
}

// isStanding says whether the node knows the other as a primary that has not failed.
func (n *moveNode) isStanding(id cluster.NodeID) bool {
	other, known := n.info.Table.Find(id)
	return known && other.Role == cluster.Primary && !other.Flags.Fail && !other.Flags.PFail
}
