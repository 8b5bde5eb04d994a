package controller

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// redisNodes are the nodes of all places.
type redisNodes fixture

// log in to the node at an endpoint.
func (n *redisNodes) login(ep redis.Endpoint) (*place, cluster.Member, error) {
	ip, _, err := net.SplitHostPort(ep.Addr)
	if err != nil {
		return nil, cluster.Member{}, err
	}
	p, m, err := (*fixture)(n).at(ip)
	if err != nil {
		return nil, m, err
	}
	want := redis.Credentials{Username: agent.UserOperator, Password: p.started[m.Pod.Name].password}
	if ep.Credentials != want {
		return nil, m, fmt.Errorf("%s: %w", ep.Addr, redis.ErrAuth)
	}
	return p, m, nil
}

// command writes to a node.
func (n *redisNodes) command(ep redis.Endpoint, what string, step func(*place, cluster.Member) (plan.Step, error)) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, m, err := n.login(ep)
	if err != nil {
		return err
	}
	do, err := step(p, m)
	if err != nil {
		return err
	}
	return n.life.write(fmt.Sprintf("redis %s %s", what, m.Pod.Name), func() error {
		err := p.world.Apply(do)
		if err != nil {
			n.refusals = append(n.refusals, err.Error())
			err = fmt.Errorf("%w: %w", redis.ErrUnknownNode, err)
		}
		return err
	})
}

// ObserveAll implements RedisControl.
func (n *redisNodes) ObserveAll(_ context.Context, eps []redis.Endpoint) []redis.Observation {
	n.mu.Lock()
	defer n.mu.Unlock()
	seen := make([]redis.Observation, len(eps))
	for i, ep := range eps {
		p, m, err := n.login(ep)
		if err == nil && n.life.isDead() {
			err = errKilled
		}
		if err != nil {
			seen[i].Err = err
			continue
		}
		seen[i].Info = new(*m.Info)
		seen[i].Info.Table = slices.Clone(m.Info.Table) // the world keeps its own
		for j := range m.Info.Table {
			seen[i].Info.Table[j].Addr.IP = p.outer(m.Info.Table[j].Addr.IP)
		}
	}
	return seen
}

// Meet implements RedisControl. The pipeline may break in the middle.
func (n *redisNodes) Meet(_ context.Context, ep redis.Endpoint, peers []redis.Peer) error {
	half := func(what string, peers []redis.Peer) error {
		if len(peers) == 0 {
			return nil
		}
		return n.command(ep, what, func(p *place, m cluster.Member) (plan.Step, error) {
			names := make([]string, len(peers))
			for i, peer := range peers {
				other, met, err := (*fixture)(n).at(peer.IP)
				if err != nil || other != p || peer.Port != agent.RedisPort || peer.BusPort != agent.BusPort {
					return nil, fmt.Errorf("safety rule S7: a node in %s is to meet %v: %w", p.namespace, peer, err)
				}
				names[i] = met.Pod.Name
			}
			return plan.Meet{Meetings: []plan.Meeting{{Pod: m.Pod.Name, Peers: names}}}, nil
		})
	}
	middle := len(peers) / 2
	if err := half("meet the first half", peers[:middle]); err != nil {
		return err
	}
	return half("meet the other half", peers[middle:])
}

// AddSlots implements RedisControl: the epoch is one write, the slots are another.
func (n *redisNodes) AddSlots(_ context.Context, ep redis.Endpoint, epoch uint64, slots cluster.SlotSet) error {
	grant := func(what string, g plan.Grant) error {
		return n.command(ep, what, func(_ *place, m cluster.Member) (plan.Step, error) {
			g.Pod = m.Pod.Name
			return plan.AddSlots{Grants: []plan.Grant{g}}, nil
		})
	}
	if epoch > 0 {
		if err := grant("set-config-epoch", plan.Grant{Epoch: epoch}); err != nil {
			return err
		}
	}
	return grant("addslots", plan.Grant{Slots: slots})
}

// Replicate implements RedisControl.
func (n *redisNodes) Replicate(_ context.Context, ep redis.Endpoint, primary cluster.NodeID) error {
	return n.command(ep, "replicate", func(_ *place, m cluster.Member) (plan.Step, error) {
		return plan.Replicate{Links: []plan.Link{{Pod: m.Pod.Name, Primary: primary}}}, nil
	})
}

// Forget implements RedisControl.
func (n *redisNodes) Forget(_ context.Context, ep redis.Endpoint, ids []cluster.NodeID, givenUp cluster.SlotSet) error {
	return n.command(ep, "forget", func(_ *place, m cluster.Member) (plan.Step, error) {
		return plan.Forget{Bans: []plan.Ban{{Pod: m.Pod.Name, Nodes: ids}}, GivenUp: givenUp}, nil
	})
}

// Failover implements RedisControl.
func (n *redisNodes) Failover(_ context.Context, ep redis.Endpoint, mode redis.FailoverMode) error {
	if mode != redis.Takeover {
		return fmt.Errorf("failover %d", mode)
	}
	return n.command(ep, "takeover", func(_ *place, m cluster.Member) (plan.Step, error) {
		return plan.Failover{Pod: m.Pod.Name, Node: m.ID(), Primary: m.Follows()}, nil
	})
}

// Reign implements AgentControl.
func (a *agentsOf) Reign(_ context.Context, ip string, r agent.ReignRequest) error {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	p, m, err := a.f.at(ip)
	if err != nil {
		return err
	}
	return a.admit(p, m, r.Order)
}

// admit is what agents do with every order; one remembers for all.
func (a *agentsOf) admit(p *place, m cluster.Member, o agent.Order) error {
	if o.ClusterUID != a.uid || o.PodUID != string(p.started[m.Pod.Name].uid) || o.Generation < p.generation {
		return &agent.RefusedError{Code: 409, Message: fmt.Sprintf("the order %+v is not for this pod, or old", o)}
	}
	p.generation = o.Generation
	return nil
}

// Promote implements AgentControl.
func (a *agentsOf) Promote(_ context.Context, ip string, r agent.PromoteRequest) error {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	p, m, err := a.f.at(ip)
	if err != nil {
		return err
	}
	if err := a.admit(p, m, r.Order); err != nil {
		return err
	}
	step := plan.Failover{Pod: m.Pod.Name, Node: m.ID(), Primary: cluster.NodeID(r.PrimaryID)}
	if r.Mode == agent.PromoteManual {
		step.Mode = plan.HandOver
	}
	return a.f.life.write(fmt.Sprintf("agent promote %s %s", m.Pod.Name, r.Mode), func() error {
		if err := p.world.Apply(step); err != nil {
			return &agent.RefusedError{Code: 409, Message: err.Error()}
		}
		return nil
	})
}

// agentsOf asks agents with the certificate of one cluster.
type agentsOf struct {
	f      *fixture
	caCert []byte
	uid    string
}

// Status implements AgentControl.
func (a *agentsOf) Status(_ context.Context, ip string) (agent.Status, error) {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	p, m, err := a.f.at(ip)
	if err != nil {
		return agent.Status{}, err
	}
	s := p.started[m.Pod.Name]
	if !bytes.Equal(s.caCert, a.caCert) {
		return agent.Status{}, agent.ErrForeign
	}
	status := agent.Status{
		ClusterUID: a.uid, PodName: m.Pod.Name, PodUID: string(s.uid), PodIP: ip, NodeID: string(m.ID()),
		Phase: agent.PhaseRunning, Generation: p.generation,
	}
	if answer, ok := a.f.answers[m.Pod.Name]; ok {
		return answer(status)
	}
	return status, nil
}

// Close implements AgentControl.
func (a *agentsOf) Close() {}
