package redisnode

import (
	"cmp"
	"context"
	"time"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// The words of agent.Status.Role.
const (
	rolePrimary = "primary"
	roleReplica = "replica"
)

// statusAge is how old a look at redis may be that a status is made of.
const statusAge = 100 * time.Millisecond

// Status is what the agent says of its node.
func (a *Agent) Status(ctx context.Context) agent.Status {
	gate, kept := a.gate.read(), a.state.read()
	s := agent.Status{
		ClusterUID:   a.opts.ClusterUID,
		PodName:      a.opts.PodName,
		PodUID:       a.opts.PodUID,
		PodIP:        a.opts.PodIP,
		Waiting:      gate.waiting,
		Stopping:     gate.stopping,
		DataLost:     kept.DataLost,
		Notice:       cmp.Or(gate.notice, kept.Doubt),
		LastTakeOver: a.lastTakeOver.Load(),
		GivenUp:      a.givenUp.Load(),
		Mark:         kept.Mark,
		CopyOf:       string(kept.CopyOf),
		CopyMark:     kept.CopyMark,
		Volume:       a.gate.volume(),
		Version:      a.opts.Version,
	}
	look := a.node.fresh(ctx, statusAge)
	s.Phase = phase(gate, kept, look)
	if look.info != nil && !gate.holding {
		describe(&s, look.info)
		s.Synced = s.Role == roleReplica && a.node.synced(look)
		s.Fresh = s.Synced && a.node.isFresh()
		return s
	}
	describeSaved(&s, a.gate.recall())
	return s
}

func phase(g gateState, r record, look snapshot) agent.Phase {
	switch {
	case look.alive() && !g.holding: // While a start is held, what was seen is the process before.
		return agent.PhaseRunning
	case r.Fenced:
		return agent.PhaseFenced
	case g.holding || g.openedAt.IsZero():
		return agent.PhaseGate
	}
	return agent.PhaseDown
}

// describe is what a running node says.
func describe(s *agent.Status, info *cluster.NodeInfo) {
	self := info.Self()
	s.NodeID = string(self.ID)
	s.SlotsOwned = self.Slots.Len()
	s.ReplOffset = info.ReplOffset
	s.Stream = &agent.Stream{ID: info.Stream.ID, FormerID: info.Stream.Former, FormerEnd: info.Stream.FormerEnd}
	s.HasData = info.Keys > 0 || info.Loading // who loads has a data set, and not yet what is in it
	s.Role = roleName(self.Role)
	if self.Role == cluster.Replica {
		s.PrimaryID = string(self.PrimaryID)
		s.LinkUp = info.LinkUp
		if info.Loading {
			s.Role = "" // a copy that is waited for: nobody can turn to it
		}
	}
	describeTable(s, info.Table)
}

// roleName is the word for a role; "" for none.
func roleName(role cluster.Role) string {
	switch role {
	case cluster.Primary:
		return rolePrimary
	case cluster.Replica:
		return roleReplica
	case cluster.RoleUnknown:
	}
	return ""
}

func describeTable(s *agent.Status, table cluster.Table) {
	for _, n := range table {
		s.Formed = s.Formed || !n.Slots.IsEmpty()
		if !n.Flags.Myself && !n.Flags.Handshake {
			s.Peers++
		}
	}
}

// describeSaved is what is known of a node that does not run, or does not say: its role is left open.
func describeSaved(s *agent.Status, k saved) {
	self, _ := k.table.Self()
	s.NodeID = string(self.ID)
	s.PrimaryID = string(self.PrimaryID)
	s.HasData = k.hasData
	describeTable(s, k.table)
}
