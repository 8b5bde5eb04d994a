package redisnode

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

const (
	// claimBound is how long the other primaries are asked what they own. One that does not answer within it does not
	// stop a take-over: what it owns is known from its gossip, but for what it took in its last moments.
	claimBound = 150 * time.Millisecond
	// learnBound is how long the node may take to hear of slots that have moved: the bus connects ten times a second.
	learnBound = 1200 * time.Millisecond
)

// claim is what a primary says that it owns.
type claim struct {
	ip    string
	from  agent.Slots
	slots cluster.SlotSet
}

// learn makes sure that the node knows who owns the slots of its primary, before it takes them without a vote. A
// replica that has not heard yet that some have moved would take them back with a higher epoch, and the new owner would
// delete their keys. Each primary is asked what it owns, and tells the node itself when that is news to it. Whoever
// cannot learn in time must not take over: the primary then starts again with what it has.
func (a *Agent) learn(ctx context.Context, r agent.PromoteRequest, info *cluster.NodeInfo) (*cluster.NodeInfo, error) {
	return a.hear(ctx, r, info, a.claims(ctx, info.Table, cluster.NodeID(r.PrimaryID)))
}

// hear waits until the node knows of what others claim, and of what its primary says of itself.
func (a *Agent) hear(
	ctx context.Context, r agent.PromoteRequest, info *cluster.NodeInfo, claims []claim,
) (*cluster.NodeInfo, error) {
	primary, start := cluster.NodeID(r.PrimaryID), a.opts.Clock.Now()
	told := map[string]bool{}
	for {
		ahead, err := compare(info, primary, r.Death, claims)
		if err == nil {
			return info, nil
		}
		for _, c := range ahead {
			if !told[c.from.NodeID] {
				told[c.from.NodeID] = true
				glog.Infof("%s: before the take-over: %v", &a.opts, err)
				a.beTold(ctx, c)
			}
		}
		if a.opts.Clock.Since(start) > learnBound {
			return nil, err
		}
		if err := pause(ctx, a.opts.Clock, roleInterval); err != nil {
			return nil, err
		}
		look := a.node.look(ctx)
		if look.info == nil {
			return nil, fmt.Errorf("redis does not answer: %w", look.err)
		}
		if info = look.info; len(ahead) == 0 { // who could tell it has not answered in time
			claims = a.claims(ctx, info.Table, primary)
		}
	}
}

// compare says what the node does not know of the slots of its primary, and who can tell it. It is pure.
func compare(
	info *cluster.NodeInfo, id cluster.NodeID, death *agent.Death, claims []claim,
) (ahead []claim, err error) {
	primary, _ := info.Table.Find(id)
	for _, c := range claims {
		moved := primary.Slots.Intersect(c.slots)
		if !moved.IsEmpty() && c.from.Epoch >= primary.ConfigEpoch {
			ahead = append(ahead, c)
			err = errors.Join(err, fmt.Errorf("the node has not heard yet that slots %s have moved to %s",
				moved, cluster.NodeID(c.from.NodeID).Short()))
		}
	}
	return ahead, errors.Join(err, compareDeath(info, primary, death))
}

// compareDeath says what the primary knew of its own slots that the node does not. It is pure.
func compareDeath(info *cluster.NodeInfo, primary cluster.Node, death *agent.Death) error {
	if death == nil || death.Slots == "" {
		return nil
	}
	owned, err := cluster.ParseSlots(death.Slots)
	if err != nil {
		return fmt.Errorf("slots of the primary: %w", err)
	}
	if gone := primary.Slots.Minus(owned); !gone.IsEmpty() {
		return fmt.Errorf("the node has not heard yet that its primary gave slots %s away", gone)
	}
	came := owned.Minus(primary.Slots)
	for i := range info.Table {
		if n := &info.Table[i]; n.ConfigEpoch > death.Epoch { // it took them, and the primary had not heard of it
			came = came.Minus(n.Slots)
		}
	}
	if !came.IsEmpty() {
		return fmt.Errorf("the node has not heard yet that its primary got slots %s", came)
	}
	if info.CurrentEpoch < death.Epoch {
		return fmt.Errorf("the node has not heard yet of epoch %d", death.Epoch)
	}
	return nil
}

// claims asks all other primaries what they own. It does not look for ones that the node does not know: nobody gets
// slots before all know him.
func (a *Agent) claims(ctx context.Context, table cluster.Table, primary cluster.NodeID) []claim {
	ctx, cancel := context.WithTimeout(ctx, claimBound)
	defer cancel()
	var (
		mu    sync.Mutex
		all   []claim
		group sync.WaitGroup
	)
	slots := make(chan struct{}, askAtOnce)
	for i := range table {
		n := &table[i]
		if n.Flags.Myself || n.ID == primary || n.Role != cluster.Primary || n.Flags.Fail || n.Addr.IP == "" {
			continue
		}
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			c, err := a.askClaim(ctx, n.Addr.IP)
			if err != nil {
				glog.Warningf("%s: what %s owns: %v", &a.opts, n.ID.Short(), err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, c)
		})
	}
	group.Wait()
	return all
}

func (a *Agent) askClaim(ctx context.Context, ip string) (claim, error) {
	from, err := a.peers.client.Slots(ctx, ip)
	if err != nil {
		return claim{}, err
	}
	slots, err := cluster.ParseSlots(from.Slots)
	return claim{ip: ip, from: from, slots: slots}, err
}

// beTold asks an owner to tell this node what it owns.
func (a *Agent) beTold(ctx context.Context, owner claim) {
	err := a.peers.client.Introduce(ctx, owner.ip, agent.IntroduceRequest{
		Order: agent.Order{
			ClusterUID: a.opts.ClusterUID,
			PodUID:     owner.from.PodUID,
			Generation: max(owner.from.Generation, a.state.Highest()),
		},
		IP: a.opts.PodIP,
	})
	if err != nil {
		glog.Warningf("%s: %v", &a.opts, err)
	}
}

// Slots is what the agent's node owns at the moment.
func (a *Agent) Slots(ctx context.Context) agent.Slots {
	s := agent.Slots{ClusterUID: a.opts.ClusterUID, PodUID: a.opts.PodUID}
	look := a.node.look(ctx)
	var self cluster.Node
	if look.info != nil && !a.gate.read().holding {
		self = look.info.Self()
	} else {
		self, _ = a.gate.recall().table.Self()
	}
	s.NodeID = string(self.ID)
	if self.Role == cluster.Primary && !self.Slots.IsEmpty() {
		s.Slots, s.Epoch = self.Slots.String(), self.ConfigEpoch
	}
	return s
}

// Introduce has the node send what it owns to another: the packet of CLUSTER MEET carries it, and to a node that knows
// this one already it is nothing else. A node that is not known is not met: introducing is the operator's.
func (a *Agent) Introduce(ctx context.Context, r agent.IntroduceRequest) error {
	status, err := a.peers.status(ctx, r.IP) // the proof of who is there
	if err != nil {
		return err
	}
	look := a.node.look(ctx)
	if look.info == nil {
		return fmt.Errorf("redis does not answer: %w", look.err)
	}
	if _, known := look.info.Table.Find(cluster.NodeID(status.NodeID)); !known {
		return fmt.Errorf("node %q at %s is not known here", status.NodeID, r.IP)
	}
	ep, err := a.endpoint()
	if err != nil {
		return err
	}
	return a.clients.Meet(ctx, ep, []redis.Peer{{IP: r.IP, Port: agent.RedisPort, BusPort: agent.BusPort}})
}
