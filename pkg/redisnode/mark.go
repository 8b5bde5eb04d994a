package redisnode

import (
	"context"
	"time"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const (
	// markInterval is how often a primary's volume is marked while it is written to.
	markInterval = time.Minute
	// markGrowth is how much of the stream of writes makes another mark, in bytes. A primary that is idle sends its
	// replicas 84 bytes a minute, and marks nothing for a quarter of an hour.
	markGrowth = 1 << 10
)

// keepMarks counts how far this node's volume has come, and remembers how far that of its primary had when this copy
// was in sync with it. A volume that was restored from a snapshot says a lower count than its replicas remember: that
// is proof, where clocks and offsets, which a restart sets back, are none.
func (a *Agent) keepMarks(ctx context.Context) {
	marked := int64(0) // the offset at the last mark
	for pause(ctx, a.opts.Clock, a.opts.markInterval) == nil {
		look, _ := a.node.latest()
		if look.info == nil || look.info.Loading || a.gate.read().holding {
			continue
		}
		self := look.info.Self()
		switch {
		case self.Role == cluster.Replica && look.info.LinkUp:
			a.noteMark(ctx, look.info.Table, self.PrimaryID)
		case self.Role == cluster.Primary && !self.Slots.IsEmpty():
			offset := look.info.ReplOffset
			if grown := offset - marked; grown < 0 || grown > markGrowth {
				marked = offset
				a.changeRecord(func(r *record) { r.Mark++ })
			}
		}
	}
}

// noteMark asks the primary's agent for its mark. The link was up before: what the primary had at its mark is here.
func (a *Agent) noteMark(ctx context.Context, table cluster.Table, id cluster.NodeID) {
	primary, _ := table.Find(id)
	if primary.Addr.IP == "" {
		return
	}
	s, err := a.peers.status(ctx, primary.Addr.IP)
	if err != nil || cluster.NodeID(s.NodeID) != id {
		glog.V(4).Infof("%s: mark of %s: %v", &a.opts, id.Short(), err)
		return
	}
	if look := a.node.look(ctx); look.info == nil || !look.info.LinkUp || look.info.Self().PrimaryID != id {
		return
	}
	a.changeRecord(func(r *record) { r.CopyOf, r.CopyMark = id, s.Mark })
}

func (a *Agent) changeRecord(fn func(*record)) {
	if err := a.state.change(fn); err != nil {
		glog.Warningf("%s: %v", &a.opts, err)
	}
}

// newerCopies tells who has more than this node's volume.
type newerCopies struct {
	among func(found map[cluster.NodeID]peer) map[cluster.NodeID]peer
	// gone says that there is no such copy, by the word of all who could have one.
	gone func(found map[cluster.NodeID]peer) bool
}

// newerThanVolume says who has what this node's volume had, and has lost; false when nobody is known to.
func (g *gate) newerThanVolume(p past, found map[cluster.NodeID]peer) (newerCopies, bool, error) {
	from, err := g.copiedFrom(p.conf)
	if err != nil {
		return newerCopies{}, false, err
	}
	if from != "" {
		n := copyAt(from)
		return n, !n.gone(found), nil
	}
	self, _ := p.table.Self()
	mark := g.state.read().Mark
	n := newerCopies{
		among: func(found map[cluster.NodeID]peer) map[cluster.NodeID]peer { return newer(found, self.ID, mark) },
		gone:  func(found map[cluster.NodeID]peer) bool { return allAnswered(p.table, found) },
	}
	choice := nextCopy(p.table, n.among(found))
	return n, choice.verdict == copyReady || choice.verdict == copyNotYet, nil
}

// yieldOlder keeps a primary from starting in front of a node that has more than its own volume: one that was restored
// from a snapshot, or was not written to. It waits until the other has taken over. One that has gone meanwhile is not
// waited for longer than an empty primary would.
func (g *gate) yieldOlder(
	ctx context.Context, table cluster.Table, found map[cluster.NodeID]peer, copies newerCopies,
) error {
	self, _ := table.Self()
	for seen := g.clock.Now(); ; {
		choice := nextCopy(table, copies.among(found))
		name := choice.peer.Status.PodName
		switch choice.verdict {
		case copyInCharge:
			g.note("the volume is older than the copy of %s, which has taken over", name)
			return nil
		case copyReady:
			g.wait("%s has a newer copy of the data than the volume, and is asked to take over", name)
			if err := g.peers.promote(ctx, choice.peer, self.ID, agent.PromoteTakeover, nil); err != nil {
				g.wait("%s has a newer copy of the data than the volume, and does not take over: %v", name, err)
			}
		case copyNotYet:
			g.wait("%s has a newer copy of the data than the volume, and does not run yet", name)
		case copyNone:
			why := g.awaited(ctx, table, found, seen.Add(g.opts.lostBound))
			if copies.gone(found) || why == "" {
				g.note("the volume is older than a copy that has been lost")
				return nil
			}
			g.wait("a node has a newer copy of the data than the volume, and does not follow this one, or answer%s", why)
		}
		if choice.verdict != copyNone {
			seen = g.clock.Now()
		}
		if err := pause(ctx, g.clock, gateInterval); err != nil {
			return err
		}
		clear(found)
		if g.askRound(ctx, table, found); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// newer are the peers that have a copy of more than the node's volume, or are in charge of it.
func newer(found map[cluster.NodeID]peer, self cluster.NodeID, mark int64) map[cluster.NodeID]peer {
	all := map[cluster.NodeID]peer{}
	for id, p := range found {
		s := p.Status
		if s.Role == rolePrimary || s.HasData && cluster.NodeID(s.CopyOf) == self && s.CopyMark > mark {
			all[id] = p
		}
	}
	return all
}
