package redis

import (
	"context"
	"slices"
	"strconv"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// countsAtOnce bounds the slots counted in one pipeline: a server does it without looking at anybody else.
const countsAtOnce = 1024

// slotCounts is how many keys slots have, and what the node says of itself.
type slotCounts struct {
	keys        map[cluster.Slot]int64
	server      info    // of server, memory and keyspace
	bytesPerKey float64 // of the whole node
}

// countSlots counts the keys of slots. A slot without keys is not in the map.
func (c *Clients) countSlots(ctx context.Context, ep Endpoint, slots cluster.SlotSet) (slotCounts, error) {
	counts := slotCounts{keys: map[cluster.Slot]int64{}}
	for chunk := range slices.Chunk(slices.Collect(slots.All()), countsAtOnce) {
		var cmds []command
		for _, slot := range chunk {
			cmds = append(cmds, command{"CLUSTER", "COUNTKEYSINSLOT", strconv.Itoa(int(slot))})
		}
		if counts.server == nil {
			cmds = append(cmds, command{"INFO", "server", "memory", "keyspace"})
		}
		replies, err := c.do(ctx, ep, cmds...)
		if err != nil {
			return slotCounts{}, err
		}
		for i, slot := range chunk {
			if n, err := strconv.ParseInt(replies[i].text, 10, 64); err == nil && n > 0 {
				counts.keys[slot] = n
			}
		}
		if counts.server == nil {
			counts.server = parseInfo(replies[len(chunk)].text)
			counts.bytesPerKey = float64(counts.server.dataBytes()) / float64(max(1, counts.server.allKeys()))
		}
	}
	return counts, nil
}

// bytes is what a slot needs, when its keys are like all others of the node.
func (c slotCounts) bytes(slot cluster.Slot) int64 {
	return int64(float64(c.keys[slot]) * c.bytesPerKey)
}

func (c slotCounts) sum(slots cluster.SlotSet) int64 {
	var sum int64
	for slot := range slots.All() {
		sum += c.bytes(slot)
	}
	return sum
}

// SlotLoads is what slots of a node hold: those that have keys are in the map. Their keys are counted. Their bytes are
// measured where the server does it (Redis 8.2 with cluster-slot-stats-enabled). Elsewhere keys are measured, all of
// them or 50,000 or as many as half of the CommandTimeout is enough for; the others are taken to be like those beside
// them. Asked for all slots of a node, the sum is its DataBytes.
//
// The server is busy with it for less than a millisecond at a time.
func (c *Clients) SlotLoads(
	ctx context.Context, ep Endpoint, slots cluster.SlotSet,
) (map[cluster.Slot]SlotLoad, error) {
	var counts slotCounts
	err := c.call(ctx, ep, "count keys", func(ctx context.Context) (err error) {
		counts, err = c.countSlots(ctx, ep, slots)
		return err
	})
	if err != nil {
		return nil, err
	}
	e := newEstimate(counts)
	err = c.call(ctx, ep, "measure slots", func(ctx context.Context) error {
		if measured, failed := c.slotStats(ctx, ep, slots, e); failed != nil || measured {
			return failed
		}
		return c.sample(ctx, ep, e)
	})
	if err != nil {
		return nil, err
	}
	return e.loads(), nil
}

// statsAtOnce bounds the slots that a server tells the statistics of in one answer.
const statsAtOnce = 256

// slotStats asks what the slots need, where the server counts it.
func (c *Clients) slotStats(ctx context.Context, ep Endpoint, slots cluster.SlotSet, e *estimate) (bool, error) {
	if !countsBytes(e.server.version()) || len(e.slots) == 0 {
		return false, nil
	}
	for _, r := range slots.Ranges() {
		for first := r.First; first <= r.Last; first += statsAtOnce {
			last := min(r.Last, first+statsAtOnce-1)
			replies, err := c.do(ctx, ep,
				command{"CLUSTER", "SLOT-STATS", "SLOTSRANGE", strconv.Itoa(int(first)), strconv.Itoa(int(last))})
			if err != nil {
				return false, err
			}
			for _, stats := range replies[0].lists {
				if !e.readStats(stats) {
					return false, nil
				}
			}
		}
	}
	return true, nil
}

// readStats reads [slot, [name, value, name, value ...]], and says whether the bytes are among it.
func (e *estimate) readStats(stats reply) bool {
	if len(stats.list) != 1 || len(stats.lists) != 1 {
		return false
	}
	number, err := strconv.ParseUint(stats.list[0], 10, 16)
	values := stats.lists[0].list
	at := slices.Index(values, "memory-bytes")
	if err != nil || at < 0 || at+1 == len(values) {
		return false
	}
	bytes, err := strconv.ParseInt(values[at+1], 10, 64)
	if err != nil {
		return false
	}
	if s := e.slots[cluster.Slot(number)]; s != nil {
		s.measured, s.samples = bytes, s.keys
	}
	return true
}

// countsBytes says whether servers of this version can count the bytes of each slot, if they were started so.
func countsBytes(version string) bool {
	major, minor := versionOf(version, "redis")
	return major > 8 || major == 8 && minor >= 2
}
