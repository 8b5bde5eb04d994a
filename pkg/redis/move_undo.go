package redis

import (
	"context"
	"slices"
	"strconv"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// mostDrains bounds how often a node that has given a slot back is looked at for clients that came late.
const mostDrains = 20

// takeBack undoes one SlotMove.
func (m *mover) takeBack(ctx context.Context, move SlotMove, pace *pace) (Moved, error) {
	p, err := m.newPair(ctx, move, pace)
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
	for window := range slices.Chunk(slots, windowSlots) {
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
	return p.outcome(), err
}

// undo takes back what has gone to the target, and closes the slots at both ends. It gives those that are whole at
// the source again.
//
// The marks stand until the target has no key any more, and clients go on being sent there for keys that the source
// has not. Then the source serves alone. The target stays open for clients that have been sent there just before:
// what they write is brought back, too, until nobody comes any more.
func (p *pair) undo(ctx context.Context, slots []cluster.Slot) ([]cluster.Slot, error) {
	if len(slots) == 0 {
		return nil, nil
	}
	full, err := p.withKeys(ctx, slots)
	if err != nil {
		return nil, err
	}
	back := newCarrier(p.to, p.from, newPace(p.o), p.o)
	back.weigh, back.drop = false, false
	back.settle = p.umpire.judge
	defer back.close()
	defer func() {
		p.carrier.keys += back.keys
		p.carrier.bytes += back.bytes
		p.carrier.conflicts += back.conflicts
	}()
	if err = p.mark(ctx, full); err != nil {
		return nil, err
	}
	if err = back.bring(ctx, full); err != nil {
		return nil, err
	}
	if err = p.from.set(ctx, setSlots{slots: slots, state: "STABLE"}); err != nil {
		return nil, err
	}
	if err = p.drain(ctx, back, slots); err != nil {
		return nil, err
	}
	for _, slot := range slots {
		delete(p.open, slot)
	}
	return slots, nil
}

// withKeys are those of the slots that the target has keys of.
func (p *pair) withKeys(ctx context.Context, slots []cluster.Slot) ([]cluster.Slot, error) {
	counts, err := p.to.ctl.countKeys(ctx, slots)
	if err != nil {
		return nil, err
	}
	var full []cluster.Slot
	for i, n := range counts {
		if n > 0 {
			full = append(full, slots[i])
		}
	}
	return full, nil
}

// mark opens slots at both ends, which they may be already.
func (p *pair) mark(ctx context.Context, slots []cluster.Slot) error {
	if err := p.to.set(ctx, setSlots{slots, "IMPORTING", p.from.ID}); err != nil {
		return err
	}
	return p.from.set(ctx, setSlots{slots, "MIGRATING", p.to.ID})
}

// bring carries all keys of the slots.
func (c *carrier) bring(ctx context.Context, slots []cluster.Slot) error {
	works := make([]*slotWork, len(slots))
	for i, slot := range slots {
		works[i] = &slotWork{slot: slot}
	}
	if err := c.list(ctx, c.wires[0], works); err != nil {
		return err
	}
	_, err := c.carry(ctx, works)
	return err
}

// drain closes the slots at the target, once it has no key of them, and looks again afterwards.
func (p *pair) drain(ctx context.Context, back *carrier, slots []cluster.Slot) error {
	for range mostDrains {
		late, err := p.withKeys(ctx, slots)
		if err != nil {
			return err
		}
		if len(late) == 0 {
			if err = p.to.set(ctx, setSlots{slots: slots, state: "STABLE"}); err != nil {
				return err
			}
			if late, err = p.withKeys(ctx, slots); err != nil || len(late) == 0 {
				return err
			}
		}
		if err = p.to.set(ctx, setSlots{late, "IMPORTING", p.from.ID}); err != nil {
			return err
		}
		works := make([]*slotWork, len(late))
		for i, slot := range late {
			works[i] = &slotWork{slot: slot}
		}
		if err = back.list(ctx, back.wires[0], works); err != nil {
			return err
		}
		for _, w := range works {
			if err = p.umpire.bringBack(ctx, back, w); err != nil {
				return err
			}
		}
	}
	return failed("take slots back from", p.to.Endpoint, errorf(ErrKeysLeft, "clients keep writing to it"))
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
	open := n.open()
	var marked, mine, all []cluster.Slot
	for slot := range slots.All() {
		all = append(all, slot)
		if _, isOpen := open[slot]; isOpen {
			marked = append(marked, slot)
		}
		if self.Slots.Has(slot) {
			mine = append(mine, slot)
		}
	}
	if self.ID == owner {
		if len(mine) != len(all) {
			return failed("clear slots", ep, errorf(ErrNotOwner, "it owns %d of %d", len(mine), len(all)))
		}
		return n.set(ctx, setSlots{slots: marked, state: "STABLE"})
	}
	if err = n.keyless(ctx, all); err != nil {
		return err
	}
	if err = n.set(ctx, setSlots{mine, "NODE", owner}, setSlots{slots: marked, state: "STABLE"}); err != nil {
		return err
	}
	// A client may have come in between.
	if late := n.keyless(ctx, all); late != nil {
		var importing []cluster.Slot
		for _, slot := range marked {
			if open[slot].Importing {
				importing = append(importing, slot)
			}
		}
		if err = n.set(ctx, setSlots{importing, "IMPORTING", owner}); err != nil {
			return err
		}
		return late
	}
	return nil
}

// keyless is ErrKeysLeft when the node has keys in any of the slots.
func (n *moveNode) keyless(ctx context.Context, slots []cluster.Slot) error {
	counts, err := n.ctl.countKeys(ctx, slots)
	if err != nil {
		return err
	}
	var sum int64
	var first string
	for i, count := range counts {
		if count > 0 && sum == 0 {
			first = strconv.Itoa(int(slots[i]))
		}
		sum += count
	}
	if sum > 0 {
		return failed("clear slots", n.Endpoint, errorf(ErrKeysLeft, "%d, the first in slot %s", sum, first))
	}
	return nil
}
