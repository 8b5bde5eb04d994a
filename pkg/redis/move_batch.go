package redis

import (
	"strconv"
	"sync"
	"time"
)

// batch is the commands that a node gets in one go. It works on nothing else until it is through.
type batch struct {
	packet *packet
	parts  []batchPart // one for each command
	cost   time.Duration
	limit  time.Duration // of each command: how long the target may be silent
}

// batchPart is keys of one slot: a server refuses a MIGRATE of several.
type batchPart struct {
	work     *slotWork
	from, to int
	bytes    int64
}

// within is when the node must have answered.
func (b *batch) within() time.Duration {
	// It may wait for the connection, and try once more.
	return 2*time.Duration(len(b.parts))*b.limit + afterPatience
}

// batches hands out the keys of slots, in batches.
type batches struct {
	carrier *carrier
	works   []*slotWork

	mu      sync.Mutex
	at      int // in works
	stopped bool
}

// short says that one batch is enough for all.
func (q *batches) short() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	var keys, commands int
	for _, w := range q.works[q.at:] {
		if n := w.keys.len() - w.next; n > 0 {
			keys += n
			commands++
		}
	}
	return keys == 0 || commands <= mostCommands && cost(commands, keys, int64(float64(keys)*q.carrier.meanBytes)) <=
		q.carrier.pace.allowed()
}

func (q *batches) stop() {
	q.mu.Lock()
	q.stopped = true
	q.mu.Unlock()
}

// take is the next batch; nil when there is none.
func (q *batches) take() *batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped {
		return nil
	}
	b := &batch{packet: &packet{}}
	allowed, biggest := q.carrier.pace.allowed(), int64(0)
	commands := q.carrier.mostCommands()
	for ; q.at < len(q.works) && len(b.parts) < commands; q.at++ {
		w := q.works[q.at]
		part := q.carrier.part(w, allowed-b.cost, len(b.parts) == 0)
		if part.to == part.from {
			if w.next < w.keys.len() {
				break // it does not fit any more
			}
			continue
		}
		w.next = part.to
		b.parts = append(b.parts, part)
		b.cost += cost(1, part.to-part.from, part.bytes)
		for i := part.from; i < part.to && w.sizes != nil; i++ {
			biggest = max(biggest, w.sizes[i])
		}
		if w.next < w.keys.len() {
			break
		}
	}
	if len(b.parts) == 0 {
		return nil
	}
	q.carrier.encode(b, biggest)
	return b
}

// part is the next keys of the slot, as many as fit; one of them always does when nothing else is in the batch.
func (c *carrier) part(w *slotWork, left time.Duration, first bool) batchPart {
	part := batchPart{work: w, from: w.next, to: w.next}
	for part.to < w.keys.len() && part.to-part.from < keysPerCommand {
		bytes := int64(c.meanBytes)
		if w.sizes != nil {
			bytes = w.sizes[part.to]
		}
		fits := cost(1, part.to-part.from+1, part.bytes+bytes) <= left
		if !fits && (!first || part.to > part.from) {
			break
		}
		part.to++
		part.bytes += bytes
	}
	return part
}

// encode writes the commands of the batch.
func (c *carrier) encode(b *batch, biggest int64) {
	if c.drop {
		for _, part := range b.parts {
			b.packet.begin(1 + part.to - part.from)
			b.packet.word("UNLINK")
			b.packet.raw(part.work.keys.words(part.from, part.to))
		}
		return
	}
	b.limit = c.patience(len(b.parts), biggest)
	for _, part := range b.parts {
		c.migrate(b.packet, part, b.limit)
	}
}

// mostCommands is how many commands a batch may have. After a silence every one is watched by itself.
func (c *carrier) mostCommands() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.silences > 0 && !c.drop {
		return 1
	}
	return mostCommands
}

// patience is how long the target may be silent during each of so many commands. When a target that is alive has
// been silent for too long, as with a big key whose size nobody has asked for, it grows up to what the biggest key
// needs.
func (c *carrier) patience(commands int, biggest int64) time.Duration {
	c.mu.Lock()
	silences := c.silences
	c.mu.Unlock()
	most := longestPatience
	if limit := c.options.MaxKeyBytes; limit > 0 {
		most = min(most, patience+time.Duration(max(limit, biggest))*perByte)
	}
	return min(most, (patience/time.Duration(commands)+time.Duration(biggest)*perByte)<<silences)
}

// migrate is the command. It replaces keys of the target only when they are known to be older copies.
func (c *carrier) migrate(p *packet, part batchPart, limit time.Duration) {
	words := 7 + part.to - part.from
	auth, replace := c.options.Restore, c.replaces(part.work)
	if auth != (Credentials{}) {
		words += 3
	}
	if replace {
		words++
	}
	p.begin(words)
	p.word("MIGRATE")
	p.word(c.to.Peer.IP)
	p.word(strconv.Itoa(c.to.Peer.Port))
	p.word("")
	p.word("0")
	p.word(strconv.FormatInt(limit.Milliseconds(), 10))
	if replace {
		p.word("REPLACE")
	}
	if auth != (Credentials{}) {
		p.word("AUTH2")
		p.word(auth.user())
		p.word(auth.Password)
	}
	p.word("KEYS")
	p.raw(part.work.keys.words(part.from, part.to))
}
