package redisnode

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

const (
	// A ping has to be without an answer for a third of node-timeout before it makes a node suspect. Redis sends it half
	// a node-timeout after it last heard of the node, or sooner.
	unansweredPart = 3
	// leastHastened is the shortest node-timeout that is helped: of shorter ones Redis makes no more than a second.
	leastHastened = 3 * time.Second
	// hasteBound is how long redis may take to suspect. It looks ten times a second.
	hasteBound    = time.Second
	hasteInterval = 20 * time.Millisecond
)

// suspicion is a node that nobody has heard for node-timeout, or soon.
type suspicion struct {
	of     cluster.NodeID
	pinged time.Time // the ping that it does not answer
	due    time.Time // nobody has heard it for node-timeout by then
}

// suspect has redis suspect a node that nobody has heard for node-timeout. Redis counts from the ping that had no
// answer (clusterCron), which it sends up to half a node-timeout after it last heard of the node: when a host loses its
// power, what users set to 15 s takes up to 22. It is still the vote of the primaries that counts.
//
// On the other side of a cut the same makes a primary stop taking writes as much sooner.
func (a *Agent) suspect(ctx context.Context, look snapshot) {
	if err := a.trySuspect(ctx, look); err != nil && ctx.Err() == nil {
		glog.Warningf("%s: a silent node: %v", &a.opts, err)
	}
}

func (a *Agent) trySuspect(ctx context.Context, look snapshot) error {
	if a.owed != (owed{}) && look.info != nil {
		return a.restoreTimeout(ctx)
	}
	if !a.settled || !look.hasRole() || look.info.Self().Role != cluster.Primary {
		return nil
	}
	if !slices.ContainsFunc(look.info.Table, unanswering) {
		clear(a.hastenedFor)
		return nil
	}
	ep, err := a.endpoint()
	if err != nil {
		return err
	}
	old, timeout, err := a.nodeTimeout(ctx, ep)
	if err != nil {
		return err
	}
	text, _, err := a.clients.NodesText(ctx, ep)
	if err != nil {
		return err
	}
	heard, err := cluster.ParseHeard(text)
	if err != nil {
		return err
	}
	heard = slices.DeleteFunc(heard, func(h cluster.Heard) bool {
		n, _ := look.info.Table.Find(h.ID)
		return !unanswering(n) || h.Pinged.Equal(a.hastenedFor[h.ID])
	})
	now := a.opts.Clock.Now()
	s, ok := nextSuspicion(heard, timeout)
	if !ok || s.due.Sub(now) > lookInterval {
		return nil // the next look is in time
	}
	if err := pause(ctx, a.opts.Clock, s.due.Sub(now)); err != nil {
		return err
	}
	return a.hasten(ctx, ep, s, old)
}

// nodeTimeout is what redis runs with, as text and as a time.
func (a *Agent) nodeTimeout(ctx context.Context, ep redis.Endpoint) (string, time.Duration, error) {
	live, err := a.clients.ConfigGet(ctx, ep, nodeTimeoutSetting)
	if err != nil {
		return "", 0, err
	}
	ms, err := strconv.Atoi(live[nodeTimeoutSetting])
	return live[nodeTimeoutSetting], time.Duration(ms) * time.Millisecond, err
}

// unanswering are nodes that have yet to answer a ping, and are not suspected yet.
func unanswering(n cluster.Node) bool {
	f := n.Flags
	return n.Awaited && !f.Myself && !f.PFail && !f.Fail && !f.Handshake && !f.NoAddr
}

// nextSuspicion is the node that is to be suspected first, and before Redis would by itself.
func nextSuspicion(heard []cluster.Heard, timeout time.Duration) (next suspicion, ok bool) {
	if timeout < leastHastened {
		return suspicion{}, false
	}
	for _, h := range heard {
		if h.Pinged.IsZero() || h.Answered.IsZero() {
			continue
		}
		s := suspicion{of: h.ID, pinged: h.Pinged, due: h.Answered.Add(timeout)}
		if least := h.Pinged.Add(timeout / unansweredPart); s.due.Before(least) {
			s.due = least
		}
		if s.due.Before(h.Pinged.Add(timeout)) && (!ok || s.due.Before(next.due)) {
			next, ok = s, true
		}
	}
	return next, ok
}

// hasten gives redis a node-timeout that is as long ago as the ping, until it suspects the node or has heard it after
// all, and then the old one again.
func (a *Agent) hasten(ctx context.Context, ep redis.Endpoint, s suspicion, old string) error {
	if a.hastenedFor == nil {
		a.hastenedFor = map[cluster.NodeID]time.Time{}
	}
	a.hastenedFor[s.of] = s.pinged
	short := strconv.FormatInt(a.opts.Clock.Since(s.pinged).Milliseconds(), 10)
	err := a.shorten(ctx, ep, owed{Short: short, Own: old})
	for end := a.opts.Clock.Now().Add(hasteBound); err == nil && a.opts.Clock.Now().Before(end); {
		look := a.node.look(ctx)
		if look.info == nil {
			break
		}
		if n, known := look.info.Table.Find(s.of); !known || !unanswering(n) {
			glog.Infof("%s: nobody has heard of node %s for a node-timeout", &a.opts, s.of.Short())
			break
		}
		err = pause(ctx, a.opts.Clock, hasteInterval)
	}
	if failed := a.restoreTimeout(ctx); failed != nil {
		return failed
	}
	return err
}
