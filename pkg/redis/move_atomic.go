package redis

import (
	"context"
	"errors"
)

var errNotAtomic = errors.New("not built yet")

// moveAtomic moves slots by the servers' own migrations. There is one Moved for each move, also beside an error.
func (c *Clients) moveAtomic(_ context.Context, moves []SlotMove, _ MoveOptions) ([]Moved, error) {
	return make([]Moved, len(moves)), errNotAtomic
}

// atomicPair says whether these two servers can migrate whole slots by themselves.
func atomicPair(_, _ MoveEnd) bool { return false }
