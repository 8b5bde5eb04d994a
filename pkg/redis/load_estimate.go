package redis

import (
	"context"
	"slices"
	"strconv"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const (
	// mostSamples bounds the keys that are measured: the server needs about 3 us for one.
	mostSamples = 50_000
	// samplesAtOnce bounds one pipeline.
	samplesAtOnce = 250
	// fewestSamples are taken of each slot, however many there are.
	fewestSamples = 2
	// elementsEach is how many elements of a collection are looked at.
	elementsEach = "20"
)

// estimate is what is known of slots that have keys.
type estimate struct {
	slotCounts
	slots map[cluster.Slot]*slotEstimate
	order []cluster.Slot
	total int64 // keys in all these slots
}

type slotEstimate struct {
	slot     cluster.Slot
	keys     int64
	samples  int64 // keys that were measured
	measured int64 // their bytes
	sizes    []int64
}

func newEstimate(counts slotCounts) *estimate {
	e := &estimate{slotCounts: counts, slots: map[cluster.Slot]*slotEstimate{}}
	for slot, keys := range counts.keys {
		e.slots[slot] = &slotEstimate{slot: slot, keys: keys}
		e.order = append(e.order, slot)
		e.total += keys
	}
	slices.Sort(e.order)
	return e
}

// sampleKey is a key that is measured.
type sampleKey struct {
	of  *slotEstimate
	key string
}

// sample measures keys of all slots, first some of each. When the time is over, what was not measured is estimated.
func (c *Clients) sample(ctx context.Context, ep Endpoint, e *estimate) error {
	inTime, stop := context.WithTimeout(ctx, c.dialer.CommandTimeout/2)
	defer stop()
	for _, span := range e.spans() {
		for _, chunk := range e.chunks(span) {
			keys, err := c.keysOf(ctx, ep, e.pick(chunk), span)
			if err != nil {
				return err
			}
			for part := range slices.Chunk(keys, samplesAtOnce) {
				if inTime.Err() != nil {
					return nil
				}
				if err = c.measureKeys(ctx, ep, part); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// span is keys of each slot, from one place to another in the order that the server has them in.
type span struct{ from, to func(s *slotEstimate) int64 }

// spans are those that are measured: some keys of every slot first.
func (e *estimate) spans() []span {
	none := func(*slotEstimate) int64 { return 0 }
	some := func(s *slotEstimate) int64 { return min(fewestSamples, e.share(s)) }
	return []span{{none, some}, {some, e.share}}
}

func (e *estimate) pick(chunk []cluster.Slot) []*slotEstimate {
	picked := make([]*slotEstimate, len(chunk))
	for i, slot := range chunk {
		picked[i] = e.slots[slot]
	}
	return picked
}

// keysOf are the keys of slots that are in the span.
func (c *Clients) keysOf(ctx context.Context, ep Endpoint, chunk []*slotEstimate, in span) ([]sampleKey, error) {
	cmds := make([]command, len(chunk))
	for i, s := range chunk {
		cmds[i] = command{"CLUSTER", "GETKEYSINSLOT", strconv.Itoa(int(s.slot)), strconv.FormatInt(in.to(s), 10)}
	}
	replies, err := c.do(ctx, ep, cmds...)
	if err != nil {
		return nil, err
	}
	var keys []sampleKey
	for i, s := range chunk {
		list := replies[i].list
		for _, key := range list[min(int(in.from(s)), len(list)):] {
			keys = append(keys, sampleKey{s, key})
		}
	}
	return keys, nil
}

func (c *Clients) measureKeys(ctx context.Context, ep Endpoint, keys []sampleKey) error {
	cmds := make([]command, len(keys))
	for i, k := range keys {
		cmds[i] = command{"MEMORY", "USAGE", k.key, "SAMPLES", elementsEach}
	}
	replies, err := c.do(ctx, ep, cmds...)
	if err != nil {
		return err
	}
	for i, k := range keys {
		// A key that has gone meanwhile has no size.
		if bytes, err := strconv.ParseInt(replies[i].text, 10, 64); err == nil {
			k.of.sizes = append(k.of.sizes, bytes)
			k.of.samples++
			k.of.measured += bytes
		}
	}
	return nil
}

// chunks are the slots of which keys are to be measured, in an order that goes through all of them again and again, so
// that no part of them is left out when the time is over. Each chunk is measured at a time.
func (e *estimate) chunks(in span) [][]cluster.Slot {
	stride := 10007 // a prime
	if len(e.order)%stride == 0 {
		stride = 1
	}
	var chunks [][]cluster.Slot
	inLast := int64(0)
	for i := range e.order {
		slot := e.order[i*stride%len(e.order)]
		s := e.slots[slot]
		if in.to(s) <= in.from(s) {
			continue
		}
		if inLast += in.to(s); inLast > 4*samplesAtOnce || len(chunks) == 0 {
			chunks = append(chunks, nil)
			inLast = in.to(s)
		}
		chunks[len(chunks)-1] = append(chunks[len(chunks)-1], slot)
	}
	return chunks
}

// share is how many keys of the slot are measured.
func (e *estimate) share(s *slotEstimate) int64 {
	if e.total <= mostSamples {
		return s.keys
	}
	return min(s.keys, max(fewestSamples, s.keys*mostSamples/e.total))
}

// whole says that these are (nearly) all keys of the node.
func (e *estimate) whole() bool { return e.total*20 >= e.server.allKeys()*19 }

// loads is what follows from it.
func (e *estimate) loads() map[cluster.Slot]SlotLoad {
	loads := make(map[cluster.Slot]SlotLoad, len(e.slots))
	bytes := e.unseen()
	perKey, perSlot := e.tables()
	var sum float64
	for slot, s := range e.slots {
		bytes[slot] += float64(s.measured) + perKey*float64(s.keys) + perSlot
		sum += bytes[slot]
	}
	factor := 1.0
	if e.whole() && sum > 0 {
		// What MEMORY USAGE leaves out, and what allocating it cost. More than that is something else's memory.
		factor = min(2, max(0.5, float64(e.server.dataBytes())/sum))
	}
	for slot, s := range e.slots {
		loads[slot] = SlotLoad{Keys: s.keys, Bytes: int64(bytes[slot] * factor)}
	}
	return loads
}

// tables is the memory of the tables that keys are found in. Each slot has one of its own, which takes 0.2 kB in Valkey
// and 2.4 kB in Redis 8; before Redis 7.4 all slots had one together. The figures of the constants are measured.
func (e *estimate) tables() (perKey, perSlot float64) {
	const (
		entry      = 24 // of a key in Redis 7, which MEMORY USAGE counts, too
		bucket     = 16 // the share of a key in the table of its slot
		redisEntry = 56 // what Redis 8 calls overhead of a key, with what MEMORY USAGE counts
		valkeyKey  = 27 // what Valkey does
	)
	keys, all := float64(max(1, e.server.allKeys())), float64(e.server.tableBytes())
	counted := float64(valkeyKey)
	if major, minor := versionOf(e.server.version(), "redis"); major == 7 && minor < 4 {
		return max(0, all/keys-entry), 0
	} else if major > 0 {
		counted = redisEntry
	}
	// The other slots of the node have as many keys as these.
	slots := float64(len(e.slots)) * keys / float64(max(1, e.total))
	return bucket, max(0, all-counted*keys) / max(1, min(cluster.SlotCount, slots))
}

// unseen is what the keys need that were not measured: what a typical one of those beside them does; or of all slots,
// where none was measured. When these are all keys of the node, they need what of its memory is not accounted for.
func (e *estimate) unseen() map[cluster.Slot]float64 {
	unseen := make(map[cluster.Slot]float64, len(e.slots))
	typical, seen, measured := 0.0, 0, int64(0)
	for slot, s := range e.slots {
		measured += s.measured
		if len(s.sizes) == 0 {
			continue
		}
		unseen[slot] = float64(s.measured) / float64(len(s.sizes))
		if e.whole() {
			unseen[slot] = float64(median(s.sizes)) // a big one is counted, and no reason to expect others
		}
		typical += unseen[slot]
		seen++
	}
	if seen == 0 {
		typical, seen = float64(e.server.dataBytes())/float64(max(1, e.server.allKeys())), 1
	}
	sum := 0.0
	for slot, s := range e.slots {
		if len(s.sizes) == 0 {
			unseen[slot] = typical / float64(seen)
		}
		unseen[slot] *= float64(s.keys - s.samples)
		sum += unseen[slot]
	}
	if !e.whole() || sum <= 0 {
		return unseen
	}
	perKey, perSlot := e.tables()
	rest := float64(e.server.dataBytes()-measured) - perKey*float64(e.total) - perSlot*float64(len(e.slots))
	for slot := range unseen {
		unseen[slot] *= max(0, rest) / sum
	}
	return unseen
}

func median(sizes []int64) int64 {
	sorted := slices.Sorted(slices.Values(sizes))
	return sorted[len(sorted)/2]
}
