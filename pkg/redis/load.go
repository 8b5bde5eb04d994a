package redis

import (
	"context"
	"slices"
	"strconv"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// countsAtOnce bounds the slots counted in one pipeline: a server does it without looking at anybody else.
const countsAtOnce = 1024

// slotCounts is how many keys slots have, and what a key needs on the average of the node.
type slotCounts struct {
	keys        map[cluster.Slot]int64
	bytesPerKey float64
	server      info
}

// bytes is what the slot needs, when its keys are like all others of the node.
func (c slotCounts) bytes(slot cluster.Slot) int64 {
	return int64(float64(c.keys[slot]) * c.bytesPerKey)
}

// countSlots counts the keys of slots. A slot without keys is not in the map.
func (c *Clients) countSlots(ctx context.Context, ep Endpoint, slots cluster.SlotSet) (slotCounts, error) {
	counts := slotCounts{keys: map[cluster.Slot]int64{}}
	first := true
	for chunk := range slices.Chunk(slices.Collect(slots.All()), countsAtOnce) {
		var cmds []command
		for _, slot := range chunk {
			cmds = append(cmds, command{"CLUSTER", "COUNTKEYSINSLOT", strconv.Itoa(int(slot))})
		}
		if first {
			cmds = append(cmds, command{"INFO", "memory", "keyspace"})
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
		if first {
			counts.server = parseInfo(replies[len(chunk)].text)
			counts.bytesPerKey = float64(counts.server.dataBytes()) / float64(max(1, counts.server.allKeys()))
		}
		first = false
	}
	return counts, nil
}
