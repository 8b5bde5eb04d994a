package controller

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// inOffice fails when another operator gives orders to this cluster's agents, before a step that two could not both
// take: it gives, takes away, forgets, or sets what the other puts back. Steps that move slots are told apart by the
// marks of the slots; to meet twice, and to create what is there, does no harm.
func (t target) inOffice(ctx context.Context, step plan.Step) error {
	switch step.(type) {
	case plan.DeletePod, plan.AddSlots, plan.Replicate, plan.Forget, plan.Failover, plan.Configure:
		_, err := t.reign(ctx)
		return err
	case plan.CreatePods, plan.UpdateAgent, plan.ResizePod, plan.Meet, plan.MoveSlots, plan.CloseSlots, plan.Wait:
	}
	return nil
}

// reign is the generation of this operator's orders to a cluster's agents: above the highest that any of them had seen
// when it began, which it then told them. An operator that begins later has a higher one, and this one is refused,
// whatever it believes of its Lease. No clock takes part, and no Lease that somebody may delete. Chance parts two who
// begin at the same moment.
func (t target) reign(ctx context.Context) (int64, error) {
	highest := t.highestGeneration(ctx)
	switch {
	case t.ledger.reign == 0:
		t.ledger.reign = highest + 1 + rand.Int64N(1000) //nolint:gosec // nobody is to be kept from guessing it
		t.announce(ctx)
	case highest > t.ledger.reign:
		return 0, fmt.Errorf("another operator gives orders to the agents of this cluster (generation %d, ours is %d): "+
			"one of the two must go", highest, t.ledger.reign)
	}
	return t.ledger.reign, nil
}

// highestGeneration is the highest that the agents of the nodes that were seen have heard of. One that does not answer
// refuses for itself.
func (t target) highestGeneration(ctx context.Context) int64 {
	var mu sync.Mutex
	var highest int64
	_ = each(ctx, t.view.Members, func(ctx context.Context, m cluster.Member) error {
		if !m.Seen() {
			return nil
		}
		status, err := askAgent(ctx, t.access, m.Pod.IP)
		if err == nil && status.PodUID == m.Pod.UID {
			mu.Lock()
			defer mu.Unlock()
			highest = max(highest, status.Generation)
		}
		return err
	})
	return highest
}

// announce tells the agents of the nodes that were seen. One that it does not reach hears of it by the first order.
func (t target) announce(ctx context.Context) {
	_ = each(ctx, t.view.Members, func(ctx context.Context, m cluster.Member) error {
		if !m.Seen() {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, agentTimeout)
		defer cancel()
		return t.access.agents.Reign(ctx, m.Pod.IP, agent.ReignRequest{Order: t.orderFor(m)})
	})
}

// orderFor is what every order to the agent of a pod carries.
func (t target) orderFor(m cluster.Member) agent.Order {
	return agent.Order{ClusterUID: string(t.rc.UID), PodUID: m.Pod.UID, Generation: t.ledger.reign}
}
