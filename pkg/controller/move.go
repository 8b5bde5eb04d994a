package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

const (
	// moveBudget is how long a step begins to move slots. Then the cluster is looked at again: a node may have failed.
	moveBudget = 2 * time.Second
	// moveTimeout bounds what was begun within it: one key that is allowed to be large takes as long as it takes.
	moveTimeout = 5 * time.Minute
)

// moveError is what nodes said when slots were to be moved. The pairs that are not concerned go on.
type moveError struct{ err error }

func (e *moveError) Error() string { return e.err.Error() }

func (e *moveError) Unwrap() error { return e.err }

// mover is who moves slots: MoveSlots or UndoMoves.
type mover func(ctx context.Context, moves []redis.SlotMove, o redis.MoveOptions) ([]redis.Moved, error)

// moveSlots brings slots to their new owners, and counts what has come there.
func (c *Controller) moveSlots(ctx context.Context, t target, moves []plan.Move) error {
	began := c.Clock.Now()
	moved, err := c.move(ctx, t, moves, c.Slots.MoveSlots)
	if len(moved) > 0 {
		t.ledger.unreported.add(began, c.Clock.Since(began), moved)
		for i := range moved {
			t.ledger.landed = t.ledger.landed.Union(moved[i].Slots)
		}
		c.Metrics.moved(moved)
	}
	return err
}

// closeSlots carries out a step of CloseSlots. Its parts are about different slots: one that fails keeps none of the
// others.
func (c *Controller) closeSlots(ctx context.Context, t target, s plan.CloseSlots) error {
	cancel := each(ctx, s.Cancel, func(ctx context.Context, task plan.Cancel) error {
		end, err := t.end(task.End)
		if err != nil {
			return err
		}
		return c.Slots.CancelTasks(ctx, end.Endpoint, task.Tasks)
	})
	_, undo := c.move(ctx, t, s.Undo, c.Slots.UndoMoves)
	finish := c.moveSlots(ctx, t, s.Finish)
	marks := each(ctx, s.Clear, func(ctx context.Context, m plan.Mark) error {
		end, err := t.end(m.End)
		if err != nil {
			return err
		}
		return c.Slots.ClearSlots(ctx, end.Endpoint, m.Slots, m.Owner)
	})
	t.ledger.progress = t.ledger.progress || len(s.Cancel) > 0 && cancel == nil || len(s.Clear) > 0 && marks == nil
	return errors.Join(failed(cancel), undo, finish, failed(marks))
}

// failed is a moveError, unless there is none.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return &moveError{err}
}

// move moves slots, or takes them back, between the pairs of nodes that are not resting.
func (c *Controller) move(ctx context.Context, t target, moves []plan.Move, do mover) ([]redis.Moved, error) {
	moves = t.ledger.due(moves, c.Clock.Now())
	if len(moves) == 0 {
		return nil, nil
	}
	slotMoves := make([]redis.SlotMove, len(moves))
	for i, m := range moves {
		from, err := t.end(m.From)
		if err != nil {
			return nil, err
		}
		to, err := t.end(m.To)
		if err != nil {
			return nil, err
		}
		slotMoves[i] = redis.SlotMove{From: from, To: to, Slots: m.Slots, FailedOver: m.FailedOver}
	}
	moved, err := do(ctx, slotMoves, t.moveOptions())
	if len(moved) != len(moves) {
		return nil, failed(errors.Join(err, fmt.Errorf("%d moves came to %d results", len(moves), len(moved))))
	}
	if t.ledger.enter(moves, moved, err, c.Clock.Now()) {
		t.ledger.progress = true
	}
	return moved, failed(err)
}

// moveOptions says how the spec wants slots to be moved.
func (t target) moveOptions() redis.MoveOptions {
	m := t.rc.Spec.Migration
	return redis.MoveOptions{
		Engine:      redis.Engine(m.Engine),
		Profile:     redis.Profile(m.Profile),
		MaxBatch:    time.Duration(*m.MaxBatchMillis) * time.Millisecond,
		MaxKeyBytes: m.MaxKeyBytes.Value(),
		Parallelism: int(*m.Parallelism),
		Budget:      moveBudget,
		Restore:     t.access.mover,
	}
}

// end is one of the two nodes of a move, with its replicas that are in sync.
func (t target) end(e plan.End) (redis.MoveEnd, error) {
	m, err := t.seen(e.Pod)
	if err != nil {
		return redis.MoveEnd{}, err
	}
	if m.ID() != e.Node {
		return redis.MoveEnd{}, fmt.Errorf("%w: %s is not node %s", redis.ErrUnknownNode, e.Pod, e.Node.Short())
	}
	end := redis.MoveEnd{
		Endpoint: endpoint(m.Pod.IP, t.access),
		ID:       m.ID(),
		Peer:     redis.Peer{IP: m.Pod.IP, Port: agent.RedisPort, BusPort: agent.BusPort},
		Version:  m.Info.Version,
	}
	for _, replica := range t.view.Members {
		if replica.Live() && replica.Role() == cluster.Replica && replica.Follows() == m.ID() && replica.Info.LinkUp {
			end.Copies = append(end.Copies, endpoint(replica.Pod.IP, t.access))
		}
	}
	return end, nil
}
