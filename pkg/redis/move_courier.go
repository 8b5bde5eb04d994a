package redis

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
)

// copyLimit is the largest key that goes through the mover's own memory.
const copyLimit = 1 << 20

// courier brings keys away without having one node wait for the other, as it does in a MIGRATE: it reads them at the
// source, which watches them, gives them to the target, and has the source delete them. Each node is kept busy only
// for its own part, a third of a MIGRATE or less.
//
// Until it is deleted the source's copy is the live one. When somebody has written to one of a parcel in between,
// nothing of the parcel is deleted (WATCH), and its slot goes by MIGRATE over what the target has got.
type courier struct {
	c        *carrier
	from, to *wire
	held     parcel // is at the target, and has yet to go at the source
}

// parcel is some keys of one slot.
type parcel struct {
	work *slotWork
	keys []int // of those of the slot
}

// copied is a key that was read.
type copied struct {
	key   int
	ttl   int64 // milliseconds that it has left; negative: it does not expire
	value string
}

// couriers says whether the slot's keys go by value: not when some of them are at the target already.
func (c *carrier) couriers(w *slotWork) bool {
	if !c.byValue || c.screen != nil || w.conflict || w.stale || w.sizes == nil {
		return false
	}
	_, biggest := w.biggest()
	return biggest <= copyLimit
}

// send brings the known keys of the slots away, a few of one slot at a time.
func (k *courier) send(ctx context.Context, works []*slotWork) error {
	for _, w := range works {
		for w.next < w.keys.len() && !w.stale && !w.conflict {
			if !k.c.pace.gate.enter(ctx) {
				return errors.Join(ctx.Err(), k.flush(ctx))
			}
			if !k.c.arrivals.enter(ctx) {
				k.c.pace.leave(ctx, 0)
				return errors.Join(ctx.Err(), k.flush(ctx))
			}
			rest, err := k.sendOne(ctx, w)
			k.c.arrivals.leave()
			k.c.pace.leave(ctx, rest)
			if err != nil {
				return err
			}
		}
	}
	return k.flush(ctx)
}

// sendOne brings the next parcel to the target, and says how long the source has to rest then. What was brought before
// is deleted with the same question.
func (k *courier) sendOne(ctx context.Context, w *slotWork) (time.Duration, error) {
	part := k.c.part(w, k.c.pace.allowed(), true)
	w.next = part.to
	sent := timeNow()
	read, err := k.read(ctx, part)
	done := timeNow()
	rest := k.c.pace.observe(cost(1, part.to-part.from, part.bytes), sent, done)
	if err != nil || len(read) == 0 {
		return rest, err
	}
	if err = k.give(ctx, w, read); err != nil {
		return rest, errors.Join(err, k.flush(ctx))
	}
	return max(0, rest-timeNow().Sub(done)), nil
}

// read has the source delete what it held, and watch and say the next keys. Keys that have gone since are left out.
func (k *courier) read(ctx context.Context, part batchPart) ([]copied, error) {
	p := &packet{}
	if k.release(p); p.count == 0 {
		p.add("UNWATCH")
	}
	first := p.count
	for i := part.from; i < part.to; i++ {
		for _, word := range []string{"WATCH", "PTTL", "DUMP"} {
			p.begin(2)
			p.word(word)
			p.raw(part.work.keys.words(i, i+1))
		}
	}
	got, err := k.from.exchange(ctx, k.from.c.dialer.CommandTimeout, p)
	if err != nil {
		return nil, failed("dump", k.c.from.Endpoint, err)
	}
	if err = k.released(got.list[:first]); err != nil {
		return nil, err
	}
	var read []copied
	for i := part.from; i < part.to; i++ {
		said := got.list[first+3*(i-part.from):][:3]
		if err = k.refusal(said); err != nil {
			return nil, err
		}
		if said[0].err == nil && said[1].err == nil && said[2].err == nil && !said[2].null {
			read = append(read, copied{key: i, ttl: said[1].number, value: said[2].text})
		}
	}
	return read, nil
}

// give has the target take keys in. Those that it has already are left to be settled.
func (k *courier) give(ctx context.Context, w *slotWork, read []copied) error {
	p := &packet{}
	for _, key := range read {
		ttl := key.ttl
		switch {
		case ttl < 0:
			ttl = 0 // to RESTORE that is no expiry
		case ttl == 0:
			ttl = 1
		}
		p.begin(4)
		p.word("RESTORE-ASKING")
		p.raw(w.keys.words(key.key, key.key+1))
		p.word(strconv.FormatInt(ttl, 10))
		p.word(key.value)
	}
	got, err := k.to.exchange(ctx, k.to.c.dialer.CommandTimeout, p)
	if err != nil {
		return failed("restore", k.c.to.Endpoint, err)
	}
	k.held = parcel{work: w}
	for i, key := range read {
		switch said := got.list[i].err; {
		case said == nil:
			k.held.keys = append(k.held.keys, key.key)
		case strings.HasPrefix(said.Error(), "BUSYKEY"):
			w.conflict = true
		default:
			return k.c.refused(said.Error())
		}
	}
	return nil
}

// release adds the commands that delete what is held, all or nothing.
func (k *courier) release(p *packet) {
	if len(k.held.keys) == 0 {
		return
	}
	p.add("MULTI")
	for _, i := range k.held.keys {
		p.begin(2)
		p.word("UNLINK")
		p.raw(k.held.work.keys.words(i, i+1))
	}
	p.add("EXEC")
}

// released reads what came of it.
func (k *courier) released(replies []answer) error {
	held := k.held
	k.held = parcel{}
	if len(held.keys) == 0 {
		return nil
	}
	exec := replies[len(replies)-1]
	if err := errors.Join(k.refusal(replies), k.refusal(exec.list)); err != nil {
		return err
	}
	if len(exec.list) < len(held.keys) {
		held.work.stale = true // nothing was done: somebody has written to a key, or it has expired
		return nil
	}
	part := batchPart{work: held.work}
	for at, i := range held.keys {
		part.from, part.to = i, i+1
		if held.work.sizes != nil {
			part.bytes = held.work.sizes[i]
		}
		if exec.list[at].number > 0 {
			k.c.count(part, exec.list[at])
		}
	}
	return nil
}

// refusal is the first error of the source that is more than that a key is not there.
func (k *courier) refusal(replies []answer) error {
	for _, one := range replies {
		if one.err == nil || strings.HasPrefix(one.err.Error(), "EXECABORT") {
			continue
		}
		if !isRedirect(one.err) || strings.HasPrefix(one.err.Error(), "MOVED") {
			return k.c.verdict(one.err)
		}
	}
	return nil
}

// flush has the source delete what is held.
func (k *courier) flush(ctx context.Context) error {
	p := &packet{}
	if k.release(p); p.count == 0 {
		return nil
	}
	got, err := k.from.exchange(ctx, k.from.c.dialer.CommandTimeout, p)
	if err != nil {
		return failed("unlink", k.c.from.Endpoint, err)
	}
	return k.released(got.list)
}
