package redis

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const (
	// dropsAtOnce bounds the keys that a server drops before it does anything else: 0.4 ms.
	dropsAtOnce = 500
	// lateness is how late most clients come that are late, on a machine that has other things to do.
	lateness = 100 * time.Millisecond
)

// dropping is how a server can be had to drop the keys of a slot that it is to take no more of.
type dropping int

const (
	// inScript opens the slot, drops them, and closes it, in one go.
	inScript dropping = iota
	// byFlush is Valkey 9, which can do it while the slot is closed.
	byFlush
	// inPipeline is Valkey 8. It may not be given SETSLOT in a script, and holds it back until its replicas have it: the
	// slot is open for that long.
	inPipeline
)

func (n *moveNode) dropping() dropping {
	switch {
	case !n.isValkey():
		return inScript
	case migrationsOf(n.Version) == byExport:
		return byFlush
	}
	return inPipeline
}

// together is how many slots are taken back before their keys are dropped at the target. The fewer the better, for
// nothing says then that they are there; but where clients that are late have to be waited for, they are for all.
func (d dropping) together() int {
	if d == inPipeline {
		return windowSlots
	}
	return 1
}

// drop deletes what has been taken back at the target, and gives the slots that are through.
//
// The source serves them alone by now, and the target must not take in one client more: some come late, whom the
// source had sent there before, and what they write would be lost. But a server deletes keys only in slots that it owns
// or has open. What cannot be deleted keeps the slot open, to be found there.
func (p *pair) drop(ctx context.Context, taken []*slotCopy) (whole []cluster.Slot, err error) {
	how := p.to.dropping()
	if how == inPipeline && len(taken) > 0 {
		pause(ctx, lateness) // when that ends they are dropped at once
	}
	for i, c := range taken {
		var left int64
		switch how {
		case inScript:
			left, err = c.dropInScript(ctx)
		case byFlush:
			left, err = c.flush(ctx)
		case inPipeline:
			left, err = c.dropInPipeline(ctx)
		}
		if err == nil && left > 0 {
			err = errorf(ErrKeysLeft, "slot %d has got %d since it was taken back", c.slot, left)
		}
		if err != nil {
			err = failed("take slots back from", p.to.Endpoint, err)
			return whole, errors.Join(err, p.to.set(ctx, marks(taken[i:]...)))
		}
		whole = append(whole, c.slot)
	}
	return whole, nil
}

// marks open slots at the target.
func marks(copies ...*slotCopy) setSlots {
	open := setSlots{state: "IMPORTING"}
	for _, c := range copies {
		open.slots, open.node = append(open.slots, c.slot), c.p.from.ID
	}
	return open
}

// dropScript opens a slot, deletes keys, and closes it again. When it cannot delete one it leaves it open.
const dropScript = `
redis.call('CLUSTER', 'SETSLOT', ARGV[1], 'IMPORTING', ARGV[2])
for i = 3, #ARGV do redis.call('UNLINK', ARGV[i]) end
local left = redis.call('CLUSTER', 'COUNTKEYSINSLOT', ARGV[1])
redis.call('CLUSTER', 'SETSLOT', ARGV[1], 'STABLE')
return left`

// dropInScript goes with ASKING, which the server passes on to the commands of the script.
func (c *slotCopy) dropInScript(ctx context.Context) (left int64, err error) {
	for from := 0; from < c.keys.len() && err == nil; from += dropsAtOnce {
		to := min(from+dropsAtOnce, c.keys.len())
		p := &packet{}
		p.add("ASKING")
		p.begin(5 + to - from)
		p.word("EVAL")
		p.word(dropScript)
		p.word("0")
		p.word(strconv.Itoa(int(c.slot)))
		p.word(string(c.p.from.ID))
		p.raw(c.keys.words(from, to))
		var got *answers
		if got, err = c.p.to.ctl.ask(ctx, "unlink", p); err == nil {
			left = got.lastNumber()
		}
	}
	return left, err
}

// flush drops all keys of the slot. It was closed before they were counted, so they are those that were read.
func (c *slotCopy) flush(ctx context.Context) (left int64, err error) {
	p := &packet{}
	p.add("CLUSTER", "FLUSHSLOT", strconv.Itoa(int(c.slot)), "ASYNC")
	c.countLeft(p)
	got, err := c.p.to.ctl.ask(ctx, "cluster flushslot", p)
	if err != nil {
		return 0, err
	}
	return got.lastNumber(), nil
}

// dropInPipeline opens the slot, drops keys, and closes it again.
func (c *slotCopy) dropInPipeline(ctx context.Context) (left int64, err error) {
	for from := 0; from < c.keys.len() && err == nil; from += dropsAtOnce {
		p := &packet{}
		marks(c).add(p, c.slot)
		for i := from; i < min(from+dropsAtOnce, c.keys.len()); i++ {
			p.add("ASKING")
			p.begin(2)
			p.word("UNLINK")
			p.raw(c.keys.words(i, i+1))
		}
		setSlots{state: "STABLE"}.add(p, c.slot)
		c.countLeft(p)
		var got *answers
		if got, err = c.p.to.whole(ctx, c.p.to.c.dialer.CommandTimeout, p); err == nil {
			left, err = got.lastNumber(), got.firstErr()
		}
	}
	return left, err
}

func (c *slotCopy) countLeft(p *packet) {
	p.add("CLUSTER", "COUNTKEYSINSLOT", strconv.Itoa(int(c.slot)))
}

// lastNumber is what the last of the commands was answered with.
func (a *answers) lastNumber() int64 { return a.list[len(a.list)-1].number }
