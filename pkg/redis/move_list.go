package redis

import (
	"context"
	"slices"
	"strconv"
)

const (
	// listAtOnce bounds the keys that a node lists in one go, which its clients have to wait for.
	listAtOnce        = 8192
	listAtOnceLatency = 512
	// slotsAtOnceLatency are the slots that they are of.
	slotsAtOnceLatency = 4
	// sizesAtOnce bounds the keys whose sizes are asked for in one go.
	sizesAtOnce        = 512
	sizesAtOnceLatency = 64
)

// list asks for keys of the slots, in place of those known before, and for their sizes where one may be too big.
func (c *carrier) list(ctx context.Context, over *wire, works []*slotWork) error {
	group, count := max(1, len(works)), listAtOnce
	if c.options.Profile != ProfileThroughput {
		group, count = slotsAtOnceLatency, listAtOnceLatency
	}
	count = max(firstKeys, min(keysPerCommand, count/group))
	for some := range slices.Chunk(works, group) {
		err := c.pace.aside(ctx, func() error { return c.listSome(ctx, over, some, count) })
		if err == nil && c.weigh {
			err = c.weighAll(ctx, over, some)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *carrier) listSome(ctx context.Context, over *wire, works []*slotWork, count int) error {
	p := &packet{}
	for _, w := range works {
		p.add("CLUSTER", "GETKEYSINSLOT", strconv.Itoa(int(w.slot)), strconv.Itoa(count))
	}
	got, err := over.ask(ctx, "cluster getkeysinslot", p)
	if err != nil {
		return err
	}
	for i, w := range works {
		w.keys, w.sizes, w.next = got.list[i].keys, nil, 0
	}
	return nil
}

// weighAll asks for the size of every key that was listed.
func (c *carrier) weighAll(ctx context.Context, over *wire, works []*slotWork) error {
	p, atOnce := &packet{}, sizesAtOnce
	if c.options.Profile != ProfileThroughput {
		atOnce = sizesAtOnceLatency
	}
	var asked []*slotWork // one for each command
	for _, w := range works {
		w.sizes = make([]int64, 0, w.keys.len())
	}
	flush := func() error {
		if p.count == 0 {
			return nil
		}
		var got *answers
		err := c.pace.aside(ctx, func() (err error) {
			got, err = over.exchange(ctx, over.c.dialer.CommandTimeout, p)
			return err
		})
		if err != nil {
			return failed("memory usage", c.from.Endpoint, err)
		}
		for i, w := range asked {
			// A key that has gone since has no size, or is said to be at the other end.
			if err := got.list[i].err; err != nil && !isRedirect(err) {
				return failed("memory usage", c.from.Endpoint, err)
			}
			w.sizes = append(w.sizes, got.list[i].number)
		}
		p, asked = &packet{buf: p.buf[:0]}, asked[:0]
		return nil
	}
	for _, w := range works {
		for i := range w.keys.len() {
			p.begin(3)
			p.word("MEMORY")
			p.word("USAGE")
			p.raw(w.keys.words(i, i+1))
			if asked = append(asked, w); p.count == atOnce {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}

// tooBig takes the slots that have a key above the limit out of the works.
func (c *carrier) tooBig(works []*slotWork) (rest []*slotWork, blocked []Blocked) {
	for _, w := range works {
		if key, size := w.biggest(); c.weigh && c.options.MaxKeyBytes > 0 && size > c.options.MaxKeyBytes {
			blocked = append(blocked, Blocked{Slot: w.slot, Key: key, Bytes: size})
			continue
		}
		rest = append(rest, w)
	}
	return rest, blocked
}
