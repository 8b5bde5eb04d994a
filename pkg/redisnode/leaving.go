package redisnode

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// leavingOf are the slots that a node is giving away, by who gets them.
func leavingOf(self cluster.Node) []agent.Leaving {
	to := map[cluster.NodeID]cluster.SlotSet{}
	for _, open := range self.Open {
		if !open.Importing {
			to[open.Peer] = to[open.Peer].Add(open.Slot)
		}
	}
	var all []agent.Leaving
	for id, slots := range to {
		all = append(all, agent.Leaving{Slots: slots.String(), To: string(id)})
	}
	slices.SortFunc(all, func(x, y agent.Leaving) int { return strings.Compare(x.To, y.To) })
	return all
}

// leavingFrom is what a replica has to go on giving away when it takes over, but for what its own redis knows of:
// Valkey 8 and later tell their replicas.
func leavingFrom(death *agent.Death, info *cluster.NodeInfo) ([]redis.Leaving, error) {
	if death == nil {
		return nil, nil
	}
	var known cluster.SlotSet
	for _, open := range info.Self().Open {
		known = known.Add(open.Slot)
	}
	var all []redis.Leaving
	for _, l := range death.Leaving {
		slots, err := cluster.ParseSlots(l.Slots)
		if err != nil {
			return nil, fmt.Errorf("slots that the primary was giving away: %w", err)
		}
		all = append(all, redis.Leaving{Slots: slots.Minus(known), To: cluster.NodeID(l.To)})
	}
	return all, nil
}

// marked goes on when slots that are on their way could not be marked as such: the node has taken over, and the
// operator closes what the target says is open.
func (a *Agent) marked(err error) error {
	if errors.Is(err, redis.ErrNotMarked) {
		glog.Warningf("%s: %v", &a.opts, err)
		return nil
	}
	return err
}
