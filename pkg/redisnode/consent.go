package redisnode

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// catchUpInterval is how often a replica looks whether it has all that its primary had: no client writes meanwhile.
const catchUpInterval = 2 * time.Millisecond

// takeByConsent has the node take over from a primary that lives. That one stands still for a while, the node gets what
// it lacks, and takes over without a vote within that time. CLUSTER FAILOVER would do the same by vote. But primaries
// vote about one primary only once in two node-timeouts, and not for a node that they do not know as its replica yet,
// and a replica asks for votes once in four: then the primary stops writes for five seconds for nothing.
// What takes time comes before that: who can be asked beforehand is.
func (a *Agent) takeByConsent(
	ctx context.Context, r agent.PromoteRequest, info *cluster.NodeInfo,
) (*cluster.NodeInfo, error) {
	at, err := a.findPrimary(ctx, info.Table, cluster.NodeID(r.PrimaryID))
	if err != nil {
		return a.takeByVote(ctx, r, info, err)
	}
	if err = a.keepsUp(ctx, at.Status.ReplOffset); err != nil {
		return nil, err
	}
	claims := a.claims(ctx, info.Table, at.ID())
	if info, err = a.hear(ctx, r, info, claims); err != nil {
		return nil, err
	}
	request := agent.HoldRequest{Order: a.peers.orderFor(at), ReplicaID: string(info.Self().ID)}
	asked := a.opts.Clock.Now()
	held, err := a.peers.client.Hold(ctx, at.IP, request)
	switch {
	case unknown(err):
		return a.takeByVote(ctx, r, info, err)
	case err != nil:
		a.release(ctx, at, request, err)
		return nil, err
	case held.ByVote != "":
		return a.takeByVote(ctx, r, info, errors.New(held.ByVote))
	}
	until := asked.Add(time.Duration(held.Millis) * time.Millisecond)
	info, err = a.takeHeld(ctx, r, held, until, claims)
	if err != nil {
		a.release(ctx, at, request, err)
	}
	return info, err
}

// takeHeld takes over from a primary that stands still, once the node has all that it had, and knows all that it knew.
func (a *Agent) takeHeld(
	ctx context.Context, r agent.PromoteRequest, held agent.Hold, until time.Time, claims []claim,
) (*cluster.NodeInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, until.Sub(a.opts.Clock.Now()))
	defer cancel()
	info, err := a.catchUp(ctx, held.Reign.Offset)
	if err != nil {
		return nil, err
	}
	if held.Open { // Some may have changed hands since.
		claims = a.claims(ctx, info.Table, cluster.NodeID(r.PrimaryID))
	}
	r.Death = &held.Reign
	if info, err = a.hear(ctx, r, info, claims); err != nil {
		return nil, err
	}
	ep, err := a.endpoint()
	if err != nil {
		return nil, err
	}
	leaving, err := leavingFrom(&held.Reign, info)
	if err != nil {
		return nil, err
	}
	if err := a.marked(a.clients.TakeOverBefore(ctx, ep, until, leaving)); err != nil {
		return nil, fmt.Errorf("%w: %w", errMayTakeOver, err)
	}
	return info, nil
}

// errMayTakeOver says that redis was told to take over, and may do so yet.
var errMayTakeOver = errors.New("told to take over")

// release lets the primary go on when the node surely does not take over any more. Otherwise it does so by itself.
func (a *Agent) release(ctx context.Context, at peer, request agent.HoldRequest, cause error) {
	var refused *agent.RefusedError
	if errors.As(cause, &refused) || errors.Is(cause, errMayTakeOver) && !errors.Is(cause, redis.ErrLate) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), statusTimeout)
	defer cancel()
	if err := a.peers.client.Release(ctx, at.IP, request); err != nil {
		glog.Warningf("%s: %v", &a.opts, err)
	}
}

// takeByVote is for a primary that does not stand still by itself: with the votes of the others it is made to.
func (a *Agent) takeByVote(
	ctx context.Context, r agent.PromoteRequest, info *cluster.NodeInfo, why error,
) (*cluster.NodeInfo, error) {
	glog.Infof("%s: takes over by vote: %v", &a.opts, why)
	return a.takeAlone(ctx, r, info, redis.Manual)
}

// findPrimary is the agent of the node's primary. The connection to it is there from now on.
func (a *Agent) findPrimary(ctx context.Context, table cluster.Table, id cluster.NodeID) (peer, error) {
	primary, _ := table.Find(id)
	if primary.Addr.IP == "" {
		return peer{}, fmt.Errorf("the address of %s is not known", id.Short())
	}
	s, err := a.peers.status(ctx, primary.Addr.IP)
	if err == nil && cluster.NodeID(s.NodeID) != id {
		err = fmt.Errorf("node %q is at %s, not %s", s.NodeID, primary.Addr.IP, id.Short())
	}
	return peer{IP: primary.Addr.IP, Status: s}, err
}

// keepsUp is nil when the node soon has what its primary had just now: the primary does not stand still for a replica
// that gets nothing, whose link may be up and dead, or that is far behind.
func (a *Agent) keepsUp(ctx context.Context, offset int64) error {
	ctx, cancel := context.WithTimeout(ctx, behindAfter)
	defer cancel()
	_, err := a.catchUp(ctx, offset)
	return err
}

// catchUp waits until the node, a replica, has its primary's stream of writes up to an offset.
func (a *Agent) catchUp(ctx context.Context, offset int64) (*cluster.NodeInfo, error) {
	for {
		look := a.node.look(ctx)
		if look.info == nil {
			return nil, fmt.Errorf("redis does not answer: %w", look.err)
		}
		if look.info.ReplOffset >= offset && look.info.LinkUp {
			return look.info, nil
		}
		if pause(ctx, a.opts.Clock, catchUpInterval) != nil {
			return nil, fmt.Errorf("%d bytes are missing", offset-look.info.ReplOffset)
		}
	}
}

// unknown says that an agent is of before the time of what it was asked.
func unknown(err error) bool {
	var refused *agent.RefusedError
	return errors.As(err, &refused) && refused.Code == http.StatusNotFound
}
