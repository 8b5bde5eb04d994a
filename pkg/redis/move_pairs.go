package redis

import (
	"context"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// MoveSlots brings slots to new owners, all pairs of nodes at the same time, until they are there or the budget
// is spent. There is one Moved for each move, also beside an error: what came of it. Asked for again it goes on
// where it stands, whoever began it: the servers' tables say where that is.
func (c *Clients) MoveSlots(ctx context.Context, moves []SlotMove, o MoveOptions) ([]Moved, error) {
	return make([]Moved, len(moves)), nil
}

// UndoMoves takes back the keys that have gone to To. Moved.Slots are whole at From again, and closed.
func (c *Clients) UndoMoves(ctx context.Context, moves []SlotMove, o MoveOptions) ([]Moved, error) {
	return make([]Moved, len(moves)), nil
}

// ClearSlots takes the marks of open slots away, and has the node know their owner. A node that is not the owner and
// has keys in them keeps its marks: ErrKeysLeft.
func (c *Clients) ClearSlots(ctx context.Context, ep Endpoint, slots cluster.SlotSet, owner cluster.NodeID) error {
	return nil
}
