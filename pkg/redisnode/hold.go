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
	// leaseBound is how long a replica may rely on a primary that stands still for it.
	leaseBound = 2 * time.Second
	// inFlight is how long a slot that changes hands at this moment may take to arrive at its new owner.
	inFlight = 200 * time.Millisecond
	// heldInterval is how often a primary that stands still looks whether it is one: its clients wait to be sent away.
	heldInterval = 5 * time.Millisecond
)

// lease is the standstill of a primary for one replica. The zero value is none.
type lease struct {
	mu      sync.Mutex
	replica string
	until   time.Time // the replica relies on it until then
	end     func()    // ends the wait for a successor; nil: there is none
}

// Hold has this node, a primary, take no more writes for a replica that is to take over from it. It goes on when it
// hears that it has been replaced, when the replica says that it does not take over, and otherwise by itself after
// manualBound, which is well after the replica may rely on it: who took over in the last moment has time to tell.
func (a *Agent) Hold(ctx context.Context, r agent.HoldRequest) (agent.Hold, error) {
	look := a.node.look(ctx)
	if look.info == nil {
		return agent.Hold{}, fmt.Errorf("redis does not answer: %w", look.err)
	}
	self := look.info.Self()
	if self.Role != cluster.Primary || self.Slots.IsEmpty() {
		return agent.Hold{}, errors.New("the node is no primary with slots")
	}
	if len(look.info.Tasks) > 0 {
		return agent.Hold{ByVote: "the servers move slots by themselves, of which only their votes know enough"}, nil
	}
	a.lease.mu.Lock()
	defer a.lease.mu.Unlock()
	start := a.opts.Clock.Now()
	if a.lease.replica != r.ReplicaID && start.Before(a.lease.until) {
		return agent.Hold{}, fmt.Errorf("the node stands still for %s", cluster.NodeID(a.lease.replica).Short())
	}
	held, err := a.standStill(ctx, len(self.Open) > 0)
	if err != nil {
		return agent.Hold{}, err
	}
	a.lease.replica, a.lease.until = r.ReplicaID, start.Add(leaseBound)
	held.Millis = a.lease.until.Sub(a.opts.Clock.Now()).Milliseconds()
	return held, nil
}

// standStill stops writes, and says what the node is from then on. Where slots are on their way to another, no more of
// them go: who moves them asks the primary, by a command that may write, before each change of hands. A replica that
// took over without having heard of one would take the slot back, and its new owner would delete the keys.
func (a *Agent) standStill(ctx context.Context, open bool) (agent.Hold, error) {
	ep, err := a.endpoint()
	if err == nil {
		err = a.clients.PauseWrites(ctx, ep, manualBound)
	}
	if err != nil {
		return agent.Hold{}, err
	}
	a.awaitSuccessor(ctx, ep)
	if open {
		_ = pause(ctx, a.opts.Clock, inFlight) // what is late by then is the replica's to find out: see hear
	}
	look := a.node.look(ctx)
	if look.info == nil {
		a.resume(ctx, ep)
		return agent.Hold{}, fmt.Errorf("redis does not answer: %w", look.err)
	}
	self := look.info.Self()
	reign := deathOf(self)
	reign.Offset = look.info.ReplOffset
	return agent.Hold{Open: open || len(self.Open) > 0, Reign: *reign}, nil
}

// awaitSuccessor lets clients go on as soon as the node has heard that it was replaced: they are sent to who did.
func (a *Agent) awaitSuccessor(ctx context.Context, ep redis.Endpoint) {
	if a.lease.end != nil {
		a.lease.end()
	}
	ctx, a.lease.end = context.WithTimeout(context.WithoutCancel(ctx), manualBound)
	go func() {
		for pause(ctx, a.opts.Clock, heldInterval) == nil {
			if look := a.node.look(ctx); look.info != nil && look.info.Self().Role == cluster.Replica {
				a.resume(ctx, ep)
				return
			}
		}
	}()
}

func (a *Agent) resume(ctx context.Context, ep redis.Endpoint) {
	if err := a.clients.ResumeWrites(ctx, ep); err != nil {
		glog.Warningf("%s: %v", &a.opts, err)
	}
}

// Release ends what Hold began, for the replica that does not take over.
func (a *Agent) Release(ctx context.Context, r agent.HoldRequest) error {
	a.lease.mu.Lock()
	defer a.lease.mu.Unlock()
	if a.lease.end == nil || a.lease.replica != r.ReplicaID {
		return errors.New("the node does not stand still for that replica")
	}
	a.lease.end()
	a.lease.replica, a.lease.until = "", time.Time{}
	ep, err := a.endpoint()
	if err != nil {
		return err
	}
	a.resume(ctx, ep)
	return nil
}
