package redis

import (
	"context"
	"time"
)

// MoveSlotsAtRest is MoveSlots key by key, while the nodes that slots go to rest from an earlier window.
func (c *Clients) MoveSlotsAtRest(
	ctx context.Context, moves []SlotMove, o MoveOptions, rest time.Duration,
) ([]Moved, error) {
	m := c.newMover(o.withDefaults())
	for _, move := range moves {
		m.admit(move.From.ID, move.To.ID)
		m.turns[move.To.ID].free = timeNow().Add(rest)
	}
	return m.each(ctx, moves, m.move)
}
