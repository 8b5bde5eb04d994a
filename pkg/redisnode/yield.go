package redisnode

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// lostBound is how long a replica that does not answer is waited for before others are asked whether its copy is lost.
// Its agent may be starting again beside a redis that has everything.
const lostBound = 20 * time.Second

// yield keeps an empty primary from starting: its replicas would throw their data away to follow it. A node that
// owned slots and has nothing on disk waits until one of its replicas has taken over, which it asks for itself.
// Only when no copy is alive, which is proven and not only suspected, does the node start empty; then the answer says
// which slots lost their data.
func (g *gate) yield(ctx context.Context, table cluster.Table, found map[cluster.NodeID]peer) (string, error) {
	self, _ := table.Self()
	death, start := deathOf(self), g.clock.Now()
	deadline := start.Add(g.opts.lostBound)
	for {
		choice := nextCopy(table, found)
		name := choice.peer.Status.PodName
		switch choice.verdict {
		case copyInCharge:
			glog.Infof("%s: %s has taken over", g.opts, name)
			return "", nil
		case copyReady:
			g.wait("%s has a copy of the data and is asked to take over", name)
			if g.clock.Since(start) > g.opts.lostBound { // Who could tell it where slots have gone is gone too.
				death.Slots = ""
			}
			if err := g.peers.promote(ctx, choice.peer, self.ID, agent.PromoteTakeover, death); err != nil {
				g.wait("%s has a copy of the data and does not take over: %v", name, err)
			}
		case copyNotYet:
			g.wait("%s has a copy of the data and does not run yet", name)
		case copyNone:
			why := ""
			if !allAnswered(table, found) {
				why = g.awaited(ctx, table, found, deadline)
			}
			if why == "" {
				return fmt.Sprintf("slots %s came back without data: no copy was alive", self.Slots), nil
			}
			g.wait("asking for a copy of the data: a replica does not answer%s", why)
		}
		if choice.verdict != copyNone {
			deadline = g.clock.Now().Add(g.opts.lostBound)
		}
		if choice.verdict != copyReady {
			if err := pause(ctx, g.clock, gateInterval); err != nil {
				return "", err
			}
		}
		clear(found)
		if g.askRound(ctx, table, found); ctx.Err() != nil {
			return "", ctx.Err()
		}
	}
}

// awaited says why a replica that does not answer is waited for; "" when its copy is lost.
func (g *gate) awaited(
	ctx context.Context, table cluster.Table, found map[cluster.NodeID]peer, deadline time.Time,
) string {
	if g.clock.Now().Before(deadline) {
		return " yet"
	}
	if why := g.stillThere(ctx, table, found); why != "" {
		return ", and may have it: " + why
	}
	return ""
}

// allAnswered says whether every replica that the node knew has said that it has no copy.
func allAnswered(table cluster.Table, found map[cluster.NodeID]peer) bool {
	self, _ := table.Self()
	for _, n := range table {
		if _, ok := found[n.ID]; mayFollow(n, self.ID) && !ok {
			return false
		}
	}
	return true
}

// neverLinked is the offset of a replica that started empty and has had no primary since: of one that has no copy. A
// shard without keys has a copy all the same.
const neverLinked = 1

type copyVerdict int

const (
	copyNone     copyVerdict = iota // nobody alive has the data
	copyInCharge                    // a former replica owns slots: it is the primary now
	copyReady                       // it runs, and can take over
	copyNotYet                      // it has the data, and will run
)

// copyChoice is the copy to turn to.
type copyChoice struct {
	verdict copyVerdict
	peer    peer
}

// nextCopy finds the best copy of this node's data among the peers that have answered. It is pure.
func nextCopy(table cluster.Table, found map[cluster.NodeID]peer) copyChoice {
	self, _ := table.Self()
	var best copyChoice
	for _, n := range table { // in the order of IDs
		p, ok := found[n.ID]
		if !ok || p.Status.Stopping {
			continue
		}
		choice := copyChoice{verdict: judge(self, n, p.Status), peer: p}
		if choice.verdict != copyNone && compareCopies(choice, best) > 0 {
			best = choice
		}
	}
	return best
}

// judge says what a peer is to this node, which owned slots.
func judge(self, n cluster.Node, s agent.Status) copyVerdict {
	follows := cluster.NodeID(s.PrimaryID) == self.ID
	switch {
	case s.Role == rolePrimary && s.SlotsOwned > 0 && (n.PrimaryID == self.ID || tookOver(s, self.ID)):
		return copyInCharge
	case follows && s.Role == roleReplica && (s.HasData || s.ReplOffset > neverLinked):
		return copyReady
	case follows && s.Role == "" && s.HasData:
		return copyNotYet
	}
	return copyNone
}

// tookOver says whether a peer is a primary because it took over from a node.
func tookOver(s agent.Status, from cluster.NodeID) bool {
	return s.LastTakeOver != nil && cluster.NodeID(s.LastTakeOver.PrimaryID) == from
}

func compareCopies(a, b copyChoice) int {
	rank := []copyVerdict{copyNone, copyNotYet, copyReady, copyInCharge}
	return cmp.Or(
		cmp.Compare(slices.Index(rank, a.verdict), slices.Index(rank, b.verdict)),
		cmp.Compare(a.peer.Status.ReplOffset, b.peer.Status.ReplOffset),
	)
}
