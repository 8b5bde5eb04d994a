package redis

import (
	"context"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// MoveSlotsAtRest is MoveSlots key by key, while the nodes that slots go to rest from an earlier window. It says as well
// until when every node rests from its batches.
func (c *Clients) MoveSlotsAtRest(
	ctx context.Context, moves []SlotMove, o MoveOptions, rest time.Duration,
) (moved []Moved, sources, targets map[cluster.NodeID]time.Time, err error) {
	m := c.newMover(o.withDefaults())
	for _, move := range moves {
		m.admit(move.From.ID, move.To.ID)
		m.turns[move.To.ID].free = timeNow().Add(rest)
	}
	moved, err = m.each(ctx, moves, m.move)
	sources, targets = map[cluster.NodeID]time.Time{}, map[cluster.NodeID]time.Time{}
	for id, p := range m.paces {
		sources[id] = p.gate.free
	}
	for id, t := range m.arrivals {
		targets[id] = t.free
	}
	return moved, sources, targets, err
}
