package redis

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const (
	// windowSlots is how many slots a window has, at first where latency counts: see width. Every change has every node
	// write its nodes.conf, so that smaller windows are no better for clients: there are more of them.
	windowSlots = 64
	// staleCount is how long a node that had no keys in slots is believed to have none. It can get none while the
	// marks stand, and is asked only because the mover itself may have been stopped for a while.
	staleCount = 50 * time.Millisecond
)

// pair moves slots from one node to another, key by key, in windows of slots that are open at the same time.
//
//	list     their keys
//	open     IMPORTING at the target, then MIGRATING at the source: a key that the source has not is at the target
//	carry    their keys, until the source has none; it can get none any more
//	give     NODE at the target, then at the source and the others
//
// Nothing of it is remembered: the marks say which slots are open, and every step can be done again.
type pair struct {
	c          *Clients
	o          MoveOptions
	failedOver bool
	from, to   *moveNode
	pace       *pace
	arrivals   *turnstile
	turns      []*turnstile // of the source and the target; none where nobody rests
	width      *width       // of windows; nil where all have the same
	over       func() bool  // the budget is spent

	carrier *carrier
	umpire  *umpire
	copies  []*copies

	todo  []cluster.Slot        // not begun
	open  map[cluster.Slot]bool // a mark stands at one of the ends, or may
	moved Moved

	backKeys, backBytes int64 // taken back
}

// window is slots that are open at the same time.
type window struct {
	works   []*slotWork
	counted time.Time // when the source had no key of them
}

func (w *window) slots() []cluster.Slot {
	if w == nil {
		return nil
	}
	slots := make([]cluster.Slot, len(w.works))
	for i, work := range w.works {
		slots[i] = work.slot
	}
	return slots
}

// prepare makes what a pair needs, once both nodes have been looked at.
func (p *pair) prepare() {
	p.carrier = newCarrier(p.from, p.to, p.pace, p.arrivals, p.o)
	p.umpire = newUmpire(p.carrier)
	p.carrier.settle = p.umpire.replace
	if p.failedOver {
		p.carrier.screen, p.carrier.settle = p.umpire.screen, p.umpire.judge
	}
	p.copies = []*copies{p.to.newCopies(), p.from.newCopies()}
	if p.o.Profile != ProfileThroughput {
		p.width = newWidth(p.from.info.Self().Slots.Len(), p.from.info.Keys, p.from.info.DataBytes)
	}
}

func (p *pair) close() {
	p.from.close()
	p.to.close()
	if p.carrier == nil {
		return
	}
	p.carrier.close()
	p.umpire.close()
	for _, c := range p.copies {
		c.close()
	}
}

// next lists the keys of the next window; nil when there is none, or no time to begin one. The slots of keys that
// are too big are left out: they are not begun.
func (p *pair) next(ctx context.Context) (*window, error) {
	size := windowSlots
	if p.width != nil {
		size = p.width.slots
	}
	for len(p.todo) > 0 && !p.over() && ctx.Err() == nil {
		w := &window{}
		taken := p.todo[:min(size, len(p.todo))]
		p.todo = p.todo[len(taken):]
		for _, slot := range taken {
			w.works = append(w.works, &slotWork{slot: slot})
		}
		if err := p.carrier.list(ctx, p.from.ctl, w.works); err != nil {
			return nil, err
		}
		var blocked []Blocked
		w.works, blocked = p.carrier.tooBig(w.works)
		if err := p.block(ctx, blocked); err != nil {
			return nil, err
		}
		if len(w.works) > 0 {
			return w, nil
		}
	}
	return nil, nil //nolint:nilnil // there is none, and nothing is wrong
}

// run moves all slots, or as many as there is time for.
func (p *pair) run(ctx context.Context) error {
	if p.o.Profile == ProfileThroughput {
		return p.runAhead(ctx)
	}
	w, err := p.next(ctx)
	for done := (*window)(nil); err == nil && (w != nil || done != nil); {
		if err = p.turn(ctx, done, w); err != nil || w == nil {
			return err
		}
		carrying := p.start(ctx, w)
		following, listed := p.next(ctx)
		err = errors.Join(p.finish(ctx, w, <-carrying), listed)
		done, w = w, following
	}
	return err
}

// runAhead opens every window while the one before it is being carried, and gives away the one before that.
func (p *pair) runAhead(ctx context.Context) error {
	w, err := p.next(ctx)
	if err == nil {
		err = p.turn(ctx, nil, w)
	}
	if err != nil || w == nil {
		return err
	}
	var done *window
	following, err := p.next(ctx)
	for w != nil && err == nil {
		ready := following
		following = nil
		carrying := p.start(ctx, w)
		err = p.turn(ctx, done, ready)
		if err == nil {
			following, err = p.next(ctx)
		}
		err = errors.Join(p.finish(ctx, w, <-carrying, ready), err)
		done, w = w, ready
	}
	if err != nil {
		return err
	}
	return p.turn(ctx, done, nil)
}

// carried is what came of a window.
type carried struct {
	blocked []Blocked
	err     error
}

// start carries the keys of a window away.
func (p *pair) start(ctx context.Context, w *window) <-chan carried {
	done := make(chan carried, 1)
	go func() {
		var c carried
		c.err = safely(func() (err error) {
			c.blocked, err = p.carrier.carry(ctx, w.works)
			return err
		})()
		w.counted = timeNow()
		done <- c
	}()
	return done
}

// finish takes slots out of a window that turned out to have a key that is too big, and takes back all that is open
// when the target refuses.
func (p *pair) finish(ctx context.Context, w *window, c carried, ready ...*window) error {
	if c.err == nil || !errors.Is(c.err, ErrTargetRefuses) {
		w.drop(c.blocked)
		return errors.Join(c.err, p.block(ctx, c.blocked))
	}
	slots := w.slots()
	for _, r := range ready {
		slots = append(slots, r.slots()...)
	}
	_, err := p.undo(ctx, slots)
	return errors.Join(c.err, err)
}

// block leaves slots where they are.
func (p *pair) block(ctx context.Context, blocked []Blocked) error {
	var open []cluster.Slot
	for _, b := range blocked {
		if p.open[b.Slot] {
			open = append(open, b.Slot)
		}
	}
	p.moved.Blocked = append(p.moved.Blocked, blocked...)
	_, err := p.undo(ctx, open)
	return err
}

func (w *window) drop(blocked []Blocked) {
	w.works = slices.DeleteFunc(w.works, func(work *slotWork) bool {
		return slices.ContainsFunc(blocked, func(b Blocked) bool { return b.Slot == work.slot })
	})
}

// turn gives away the window that is done and opens the next one, when both nodes have rested from their last turn.
func (p *pair) turn(ctx context.Context, done, next *window) error {
	for i, t := range p.turns {
		if !t.enter(ctx) {
			leaveAll(p.turns[:i])
			return ctx.Err()
		}
	}
	defer leaveAll(p.turns)
	if err := p.settled(ctx, done); err != nil {
		return err
	}
	if len(p.turns) == 0 {
		return p.hand(ctx, done, next)
	}
	return p.alone(ctx, done, next)
}

// alone has windows change hands while neither node has a batch to work on, and both rest from it.
func (p *pair) alone(ctx context.Context, done, next *window) error {
	if !p.pace.gate.enter(ctx) {
		return ctx.Err()
	}
	defer p.pace.gate.leave()
	if !p.arrivals.enter(ctx) {
		return ctx.Err()
	}
	defer p.arrivals.leave()
	begun := timeNow()
	err := p.hand(ctx, done, next)
	ended := timeNow()
	for _, t := range p.turns {
		t.rest(begun, ended, restAfter(ended.Sub(begun), turnDuty))
	}
	p.width.turned(len(done.slots()), len(next.slots()), ended.Sub(begun))
	return err
}

// hand gives away a window and opens another: one visit to each end for both, so that each writes its nodes.conf once.
func (p *pair) hand(ctx context.Context, done, next *window) error {
	given, opened := done.slots(), next.slots()
	for _, slot := range opened {
		p.open[slot] = true
	}
	if err := p.empty(ctx, done); err != nil {
		return err
	}
	if err := p.to.takeOver(ctx, given, opened, p.from); err != nil {
		return err
	}
	err := p.from.set(ctx, setSlots{given, "NODE", p.to.ID}, setSlots{opened, "MIGRATING", p.to.ID})
	if err != nil && (len(given) == 0 || !isReply(err) || !p.gone(ctx, given)) {
		return err
	}
	p.moved.Slots = p.moved.Slots.Add(given...)
	return nil
}

// settled waits until a window can be given away: until the replicas of both ends have it, too. A replica of the
// target that has less takes what it has not with it when it takes over. A replica of the source would have keys that
// are gone, in slots that are another's, where nobody sees them until it gets the slots again.
func (p *pair) settled(ctx context.Context, done *window) error {
	if done == nil {
		return nil
	}
	var group errgroup.Group
	for _, c := range p.copies {
		group.Go(safely(func() error { return c.await(ctx) }))
	}
	if err := group.Wait(); err != nil {
		return err
	}
	// While the marks stand no key can come, in no database: what is looked at now holds until the window is given.
	return p.from.oneDatabase(ctx)
}

// empty makes sure that the source has no key of a window that is about to be given away, right before it is.
func (p *pair) empty(ctx context.Context, done *window) error {
	if done == nil || timeNow().Sub(done.counted) < staleCount {
		return nil
	}
	counts, err := p.from.ctl.countKeys(ctx, done.slots())
	if err != nil {
		return err
	}
	for i, n := range counts {
		if n > 0 {
			return failed("cluster countkeysinslot", p.from.Endpoint,
				errorf(ErrKeysLeft, "slot %d has got %d since they were moved", done.works[i].slot, n))
		}
	}
	return nil
}

// gone says whether the source knows that the slots are the target's. It refuses to hear it when it has become a
// replica with its last slot.
func (p *pair) gone(ctx context.Context, slots []cluster.Slot) bool {
	info, err := p.c.Observe(ctx, p.from.Endpoint)
	if err != nil {
		return false
	}
	to, _ := info.Table.Find(p.to.ID)
	for _, slot := range slots {
		if !to.Slots.Has(slot) {
			return false
		}
	}
	return true
}
