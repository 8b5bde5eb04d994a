package redis

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const (
	// mostTakes bounds how often a slot is taken back that clients keep writing to in between.
	mostTakes = 20
	// watchAtOnce bounds the keys that one connection watches: a server looks through all of them for each.
	watchAtOnce = 1000
)

// takeBack undoes one SlotMove.
func (m *mover) takeBack(ctx context.Context, move SlotMove) (Moved, error) {
	p, err := m.newPair(ctx, move)
	if err != nil {
		return Moved{}, err
	}
	defer p.close()
	mine, theirs := p.from.info.Self().Slots, p.to.info.Self().Slots
	var slots []cluster.Slot
	for slot := range move.Slots.Minus(theirs).All() {
		if !mine.Has(slot) {
			owner := p.from.ownerOf(slot)
			return Moved{}, failed("take slots back to", p.from.Endpoint,
				errorf(ErrNotOwner, "%d belongs to %s", slot, owner.Short()))
		}
		slots = append(slots, slot)
	}
	if err = p.to.oneDatabase(ctx); err == nil {
		err = p.introduce(ctx, move.Slots)
	}
	for window := range slices.Chunk(slots, windowSlots) {
		if err != nil {
			break
		}
		if m.over() || ctx.Err() != nil {
			break
		}
		var whole []cluster.Slot
		whole, err = p.undo(ctx, window)
		p.moved.Slots = p.moved.Slots.Add(whole...)
		if err != nil {
			break
		}
	}
	moved := p.moved
	moved.Keys, moved.Bytes = p.backKeys, p.backBytes
	return moved, err
}

// undo takes back what has gone to the target, and closes the slots at both ends. It gives those that are whole at
// the source again, also beside an error.
//
// Keys cannot simply be migrated back: while the source sends clients to the target for keys that it has not, it
// sends those there, too, that bring them; and once it does not, clients find nothing of what is not back yet. So
// the target takes no more for a moment (clients go back and forth until it is over), and the source gets all that
// the target has of the slot and serves it alone, in one go. From then on the target takes in nobody, not even those
// whom the source has sent there before.
func (p *pair) undo(ctx context.Context, slots []cluster.Slot) ([]cluster.Slot, error) {
	if len(slots) == 0 {
		return nil, nil
	}
	whole, full, err := p.freeze(ctx, slots)
	for some := range slices.Chunk(full, p.to.dropping().together()) {
		if err != nil {
			break
		}
		var taken []*slotCopy
		taken, err = p.takeEach(ctx, some)
		dropped, left := p.drop(ctx, taken)
		whole, err = append(whole, dropped...), errors.Join(err, left)
	}
	for _, slot := range whole {
		delete(p.open, slot)
	}
	return whole, err
}

// freeze closes the slots that the target has no key of. The others are open there afterwards.
func (p *pair) freeze(ctx context.Context, slots []cluster.Slot) (whole, full []cluster.Slot, err error) {
	counts, err := p.to.closeEmpty(ctx, slots, p.from.ID)
	if err != nil {
		return nil, nil, err
	}
	for i, slot := range slots {
		if counts[i] > 0 {
			full = append(full, slot)
		} else {
			whole = append(whole, slot)
		}
	}
	err = errors.Join(
		p.from.set(ctx, setSlots{slots: whole, state: "STABLE"}),
		p.to.set(ctx, setSlots{full, "IMPORTING", p.from.ID}))
	if err != nil {
		return nil, nil, err
	}
	return whole, full, nil
}

// takeEach takes back slots that the target has keys of and has open, as far as it comes.
func (p *pair) takeEach(ctx context.Context, slots []cluster.Slot) ([]*slotCopy, error) {
	var taken []*slotCopy
	for _, slot := range slots {
		c, err := p.take(ctx, slot)
		if err != nil {
			return taken, err
		}
		taken = append(taken, c)
	}
	return taken, nil
}

// take has the source serve a slot alone that the target has keys of and has open. There it is closed afterwards, and
// the keys are still there.
func (p *pair) take(ctx context.Context, slot cluster.Slot) (*slotCopy, error) {
	for range mostTakes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, err := p.copySlot(ctx, slot)
		if err != nil {
			return nil, err
		}
		frozen, err := c.freeze(ctx)
		if err == nil && frozen {
			err = c.restore(ctx)
		}
		c.close()
		if err == nil && frozen {
			return c, nil
		}
		// The source still sends clients there. Or, when it has not answered, the mark says where the keys are.
		if err = errors.Join(err, p.to.set(ctx, marks(c))); err != nil {
			return nil, err
		}
	}
	return nil, failed("take slots back from", p.to.Endpoint, errorf(ErrKeysLeft, "clients keep writing to slot %d", slot))
}

// slotCopy is all that the target has of a slot.
type slotCopy struct {
	p       *pair
	slot    cluster.Slot
	keys    keyList
	values  []keyCopy
	bytes   int64
	torn    bool    // a key went away while it was read
	watches []*wire // that notice when a key changes
}

// copySlot reads all that the target has of a slot.
func (p *pair) copySlot(ctx context.Context, slot cluster.Slot) (*slotCopy, error) {
	c := &slotCopy{p: p, slot: slot}
	counts, err := p.to.ctl.countKeys(ctx, []cluster.Slot{slot})
	if err != nil {
		return nil, err
	}
	list := &packet{}
	list.add("CLUSTER", "GETKEYSINSLOT", strconv.Itoa(int(slot)), strconv.FormatInt(counts[0]+firstKeys, 10))
	got, err := p.to.ctl.ask(ctx, "cluster getkeysinslot", list)
	if err != nil {
		return nil, err
	}
	c.keys = got.list[0].keys
	for from := 0; from < c.keys.len(); from += watchAtOnce {
		if err = c.read(ctx, from, min(from+watchAtOnce, c.keys.len())); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// read watches some of the keys, and reads them.
func (c *slotCopy) read(ctx context.Context, from, to int) error {
	w := c.p.to.c.newWire(c.p.to.Endpoint)
	c.watches = append(c.watches, w)
	p := &packet{}
	// The idle time comes before anything that uses the key.
	questions := [][]string{{"WATCH"}, {"OBJECT", "IDLETIME"}, {"PEXPIRETIME"}, {"DUMP"}}
	for i := from; i < to; i++ {
		for _, words := range questions {
			p.add("ASKING")
			p.begin(len(words) + 1)
			for _, word := range words {
				p.word(word)
			}
			p.raw(c.keys.words(i, i+1))
		}
	}
	got, err := w.exchange(ctx, w.c.dialer.CommandTimeout, p)
	if err != nil {
		return failed("dump", w.ep, err)
	}
	each := 2 * len(questions)
	for i := range to - from {
		replies := got.list[i*each : (i+1)*each]
		watched, idle, expiry, dump := replies[1], replies[3], replies[5], replies[7]
		for _, reply := range []answer{watched, expiry, dump} {
			if reply.err != nil {
				return failed("dump", w.ep, reply.err)
			}
		}
		value := keyCopy{expiry: expiry.number, dump: dump.text, idle: idle.number}
		if idle.err != nil { // it does not keep that
			value.idle = -1
		}
		c.values = append(c.values, value)
		c.bytes += int64(len(dump.text))
		c.torn = c.torn || dump.null
	}
	return nil
}

// freeze has the target take no more of the slot, and says whether it still has what was read.
func (c *slotCopy) freeze(ctx context.Context) (bool, error) {
	slots := []cluster.Slot{c.slot}
	counts, err := c.p.to.closeEmpty(ctx, slots, c.p.from.ID)
	if err != nil || c.torn || counts[0] != int64(c.keys.len()) {
		return false, err
	}
	if err = c.p.to.oneDatabase(ctx); err != nil { // what is not seen is not taken, but dropped
		return false, err
	}
	for _, w := range c.watches {
		// With nothing in it: a server that is full takes no command into a transaction.
		p := &packet{}
		p.add("MULTI")
		p.add("EXEC")
		got, err := w.ask(ctx, "exec", p)
		if err != nil || got.list[1].null {
			return false, err
		}
	}
	return true, nil
}

// restore gives the source what was read, and has it serve the slot alone. Keys that it has are the live ones. When
// it fails the source goes on sending clients to the target.
func (c *slotCopy) restore(ctx context.Context) error {
	if c.p.failedOver {
		if err := c.p.umpire.yield(ctx, &c.keys, c.values); err != nil {
			return err
		}
	}
	if c.p.from.isValkey() {
		return c.restoreInPipeline(ctx)
	}
	return c.restoreInScript(ctx)
}

// restoreScript makes the slot stable, and restores keys where there are none. If that fails it migrates again.
const restoreScript = `
redis.call('CLUSTER', 'SETSLOT', ARGV[1], 'STABLE')
local busy = 0
for i = 3, #ARGV, 3 do
  local reply = redis.pcall('RESTORE', ARGV[i], ARGV[i+1], ARGV[i+2], 'ABSTTL')
  local known = reply.err and string.find(reply.err, 'BUSYKEY', 1, true)
  if reply.err and not known then
    redis.call('CLUSTER', 'SETSLOT', ARGV[1], 'MIGRATING', ARGV[2])
    return reply
  end
  busy = busy + (known and 1 or 0)
end
return busy`

func (c *slotCopy) restoreInScript(ctx context.Context) error {
	p := &packet{}
	p.begin(5 + 3*len(c.values))
	p.word("EVAL")
	p.word(restoreScript)
	p.word("0")
	p.word(strconv.Itoa(int(c.slot)))
	p.word(string(c.p.to.ID))
	for i, value := range c.values {
		c.restoreWords(p, i, value)
	}
	got, err := c.p.from.ctl.exchange(ctx, c.within(), p)
	if err == nil {
		err = got.firstErr()
	}
	if err != nil {
		return failed("restore", c.p.from.Endpoint, err)
	}
	c.count(got.list[0].number)
	return nil
}

// within is how long the source may need.
func (c *slotCopy) within() time.Duration {
	return c.p.from.c.dialer.CommandTimeout + time.Duration(c.bytes)*perByte
}

func (c *slotCopy) restoreWords(p *packet, i int, value keyCopy) {
	p.raw(c.keys.words(i, i+1))
	p.word(strconv.FormatInt(max(0, value.expiry), 10))
	p.word(value.dump)
}

// restoreInPipeline is for Valkey, which may not be given SETSLOT in a script or a transaction.
func (c *slotCopy) restoreInPipeline(ctx context.Context) error {
	slots := []cluster.Slot{c.slot}
	p := &packet{}
	setSlots{slots: slots, state: "STABLE"}.add(p, c.slot)
	for i, value := range c.values {
		p.begin(5)
		p.word("RESTORE")
		c.restoreWords(p, i, value)
		p.word("ABSTTL")
	}
	got, err := c.p.from.whole(ctx, c.within(), p)
	if err != nil {
		return failed("restore", c.p.from.Endpoint, err)
	}
	busy := int64(0)
	for _, a := range got.list {
		switch {
		case a.err == nil:
		case strings.HasPrefix(a.err.Error(), "BUSYKEY"):
			busy++
		default:
			err := failed("restore", c.p.from.Endpoint, a.err)
			return errors.Join(err, c.p.from.set(ctx, setSlots{slots, "MIGRATING", c.p.to.ID}))
		}
	}
	c.count(busy)
	return nil
}

// count notes what has come back, and how much of it was there already.
func (c *slotCopy) count(busy int64) {
	c.p.backKeys += int64(len(c.values))
	c.p.backBytes += c.bytes
	c.p.moved.Conflicts += busy
	c.values = nil // they are of no more use, and it may have to wait with others
}

func (c *slotCopy) close() {
	for _, w := range c.watches {
		w.close()
	}
}

// ClearSlots takes the marks of open slots away, and has the node know their owner. A node that is not the owner and
// has keys in them keeps its marks: ErrKeysLeft. They are in nobody's reach, and may be the only copies.
func (c *Clients) ClearSlots(ctx context.Context, ep Endpoint, slots cluster.SlotSet, owner cluster.NodeID) error {
	n := c.newMoveNode(MoveEnd{Endpoint: ep})
	defer n.close()
	info, err := c.Observe(ctx, ep)
	if err != nil {
		return err
	}
	self := info.Self()
	n.ID, n.info, n.Version = self.ID, info, info.Version
	var sent, imported []cluster.Slot // by their marks
	for slot, mark := range n.open() {
		switch {
		case !slots.Has(slot):
		case mark.Importing:
			imported = append(imported, slot)
		default:
			sent = append(sent, slot)
		}
	}
	slices.Sort(sent)
	slices.Sort(imported)
	if self.ID == owner {
		if missing := slots.Minus(self.Slots); !missing.IsEmpty() {
			return failed("clear slots", ep, errorf(ErrNotOwner, "%s", missing))
		}
		return n.set(ctx, setSlots{slots: slices.Concat(sent, imported), state: "STABLE"})
	}
	if err = n.giveUp(ctx, slots.Intersect(self.Slots), owner); err != nil {
		return err
	}
	if err = n.set(ctx, setSlots{slots: sent, state: "STABLE"}); err != nil || len(imported) == 0 {
		return err
	}
	counts, err := n.closeEmpty(ctx, imported, owner)
	if err != nil {
		return err
	}
	return n.keep(ctx, imported, counts, owner)
}

// giveUp has the node know the owner of slots that it believes to be its own. It refuses while it has keys in them.
func (n *moveNode) giveUp(ctx context.Context, slots cluster.SlotSet, owner cluster.NodeID) error {
	all := slices.Collect(slots.All())
	counts, err := n.ctl.countKeys(ctx, all)
	if err != nil {
		return err
	}
	for i, count := range counts {
		if count > 0 {
			return failed("clear slots", n.Endpoint, errorf(ErrKeysLeft, "%d in slot %d", count, all[i]))
		}
	}
	return n.set(ctx, setSlots{all, "NODE", owner})
}

// keep opens those of the slots again that have keys.
func (n *moveNode) keep(ctx context.Context, slots []cluster.Slot, counts []int64, owner cluster.NodeID) error {
	var (
		full []cluster.Slot
		keys int64
	)
	for i, count := range counts {
		if count > 0 {
			full = append(full, slots[i])
			keys += count
		}
	}
	if len(full) == 0 {
		return nil
	}
	if err := n.set(ctx, setSlots{full, "IMPORTING", owner}); err != nil {
		return err
	}
	err := errorf(ErrKeysLeft, "%d in %d slots, the first is %d", keys, len(full), full[0])
	return failed("clear slots", n.Endpoint, err)
}
