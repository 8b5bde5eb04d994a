package controller

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// slotFaults are what goes wrong when slots move.
type slotFaults struct {
	// refuses is what a pod says to slots that come to it; nil: it takes them.
	refuses map[string]error
	// big are keys that are too big, by slot.
	big map[cluster.Slot]redis.Blocked
	// loads are what slots hold, where it is not the same as everywhere; loadErr is what nodes say instead.
	loads   map[cluster.Slot]int64
	loadErr error
	// asked is how often slots were to be moved, and measured how often nodes were asked what is in them.
	asked, measured int
	options         redis.MoveOptions // of the last time
	moves           []redis.SlotMove
}

// moves carries out moves one by one: each is a write, which may be cut in the middle.
func (n *redisNodes) moveEach(
	moves []redis.SlotMove, o redis.MoveOptions, what string, step func(plan.Move) plan.Step,
) ([]redis.Moved, error) {
	n.mu.Lock()
	n.slots.asked++
	n.slots.options, n.slots.moves = o, moves
	n.mu.Unlock()
	moved := make([]redis.Moved, len(moves))
	var errs []error
	for i, m := range moves {
		var err error
		moved[i], err = n.moveOne(m, o, what, step)
		errs = append(errs, err)
	}
	return moved, errors.Join(errs...)
}

func (n *redisNodes) moveOne(
	m redis.SlotMove, o redis.MoveOptions, what string, step func(plan.Move) plan.Step,
) (redis.Moved, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var moved redis.Moved
	p, from, err := n.login(m.From.Endpoint)
	if err != nil {
		return moved, err
	}
	other, to, err := n.login(m.To.Endpoint)
	switch {
	case err != nil:
		return moved, err
	case p != other || p.outer(to.Pod.IP) != m.To.Peer.IP || m.To.Peer.Port != agent.RedisPort:
		return moved, fmt.Errorf("safety rule S7: %s is to give slots to %v", from.Pod.Name, m.To.Peer)
	case o.Restore != (redis.Credentials{Username: agent.UserMover, Password: p.started[to.Pod.Name].mover}):
		return moved, fmt.Errorf("%s: %w", m.To.Peer.IP, redis.ErrAuth)
	case n.slots.refuses[to.Pod.Name] != nil:
		return moved, n.slots.refuses[to.Pod.Name]
	}
	for slot := range m.Slots.All() {
		if b, big := n.slots.big[slot]; big && (o.MaxKeyBytes > 0 && b.Bytes > o.MaxKeyBytes) {
			moved.Blocked = append(moved.Blocked, b)
			m.Slots = m.Slots.Remove(slot)
		}
	}
	if m.Slots.IsEmpty() {
		return moved, nil
	}
	has := slotsOf(p.world, m.To.ID)
	err = n.life.write(fmt.Sprintf("redis %s %s %s", what, from.Pod.Name, to.Pod.Name), func() error {
		failed := p.world.Apply(step(plan.Move{
			From: plan.End{Pod: from.Pod.Name, Node: m.From.ID}, To: plan.End{Pod: to.Pod.Name, Node: m.To.ID},
			Slots: m.Slots, FailedOver: m.FailedOver,
		}))
		if failed != nil {
			n.refusals = append(n.refusals, failed.Error())
		}
		return failed
	})
	moved.Slots = slotsOf(p.world, m.To.ID).Minus(has).Intersect(m.Slots)
	moved.Keys = 2 * int64(moved.Slots.Len())
	moved.Bytes = clustertest.KeyBytes * moved.Keys
	return moved, err
}

// dropSecrets takes all Secrets of shop/demo away.
func dropSecrets(f *fixture) {
	for _, s := range all[*corev1.Secret](f.api) {
		drop[*corev1.Secret](f.api, s.Namespace, s.Name)
	}
}

func slotsOf(w *clustertest.World, id cluster.NodeID) cluster.SlotSet {
	m, _ := w.View().Member(id)
	if m.Info == nil {
		return cluster.SlotSet{}
	}
	return m.Info.Self().Slots
}

// MoveSlots implements SlotControl: it goes on with what is open already.
func (n *redisNodes) MoveSlots(_ context.Context, moves []redis.SlotMove, o redis.MoveOptions) ([]redis.Moved, error) {
	return n.moveEach(moves, o, "move", func(m plan.Move) plan.Step {
		for _, p := range n.places {
			for _, end := range []plan.End{m.From, m.To} {
				member, _ := p.world.View().Member(end.Node)
				if member.Info == nil {
					continue
				}
				for _, open := range member.Info.Self().Open {
					if m.Slots.Has(open.Slot) {
						return plan.CloseSlots{Finish: []plan.Move{m}}
					}
				}
			}
		}
		return plan.MoveSlots{Moves: []plan.Move{m}}
	})
}

// UndoMoves implements SlotControl.
func (n *redisNodes) UndoMoves(_ context.Context, moves []redis.SlotMove, o redis.MoveOptions) ([]redis.Moved, error) {
	return n.moveEach(moves, o, "undo", func(m plan.Move) plan.Step { return plan.CloseSlots{Undo: []plan.Move{m}} })
}

// ClearSlots implements SlotControl.
func (n *redisNodes) ClearSlots(
	_ context.Context, ep redis.Endpoint, slots cluster.SlotSet, owner cluster.NodeID,
) error {
	return n.command(ep, "clear", func(_ *place, m cluster.Member) (plan.Step, error) {
		mark := plan.Mark{End: plan.End{Pod: m.Pod.Name, Node: m.ID()}, Slots: slots, Owner: owner}
		return plan.CloseSlots{Clear: []plan.Mark{mark}}, nil
	})
}

// CancelTasks implements SlotControl.
func (n *redisNodes) CancelTasks(_ context.Context, ep redis.Endpoint, ids []string) error {
	return n.command(ep, "cancel", func(_ *place, m cluster.Member) (plan.Step, error) {
		cancel := plan.Cancel{End: plan.End{Pod: m.Pod.Name, Node: m.ID()}, Tasks: ids}
		return plan.CloseSlots{Cancel: []plan.Cancel{cancel}}, nil
	})
}

// SlotLoads implements SlotControl.
func (n *redisNodes) SlotLoads(
	_ context.Context, ep redis.Endpoint, slots cluster.SlotSet,
) (map[cluster.Slot]redis.SlotLoad, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.slots.measured++
	if _, _, err := n.login(ep); err != nil || n.slots.loadErr != nil {
		return nil, errors.Join(err, n.slots.loadErr)
	}
	loads := map[cluster.Slot]redis.SlotLoad{}
	for slot := range slots.All() {
		bytes, ok := n.slots.loads[slot]
		if !ok {
			bytes = 2 * clustertest.KeyBytes
		}
		loads[slot] = redis.SlotLoad{Keys: 2, Bytes: bytes}
	}
	return loads, nil
}
