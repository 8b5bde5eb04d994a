package redisnode

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// stillThere says why a replica whose agent does not answer may be alive, and its copy with it; "" when it is lost.
// That nobody answers here is no proof: this pod may be the one that is cut off. It takes two witnesses. Kubernetes
// must have no pod that has not answered, so that somebody who deletes the pod says that it is lost; and no node of the
// cluster may be in touch with the replica.
func (g *gate) stillThere(ctx context.Context, table cluster.Table, found map[cluster.NodeID]peer) string {
	listed, err := g.peers.listed(ctx)
	if err != nil {
		return err.Error()
	}
	for _, p := range g.peers.ask(ctx, listed) {
		listed = slices.DeleteFunc(listed, func(ip string) bool { return ip == p.IP })
	}
	if len(listed) > 0 {
		return "nobody answers in the pod at " + strings.Join(listed, ", ")
	}
	return reached(table, found, g.peers.allNodes(ctx, nil))
}

// reached says which node is in touch with a replica that has not answered. It is pure.
func reached(table cluster.Table, found map[cluster.NodeID]peer, witnesses []agent.Nodes) string {
	self, _ := table.Self()
	for _, w := range witnesses {
		for i := range table {
			id := table[i].ID
			if _, answers := found[id]; answers || !mayFollow(table[i], self.ID) {
				continue
			}
			if slices.Contains(w.IDs, string(id)) && !slices.Contains(w.Unreached, string(id)) {
				return fmt.Sprintf("node %s is in touch with it (%s)", cluster.NodeID(w.NodeID).Short(), id.Short())
			}
		}
	}
	return ""
}

// listed are the addresses of the other pods that Kubernetes knows.
func (p *peers) listed(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	ips, err := p.resolve(ctx, p.service)
	if err != nil {
		return nil, fmt.Errorf("look up the other pods: %w", err)
	}
	others := slices.DeleteFunc(slices.Clone(ips), func(ip string) bool { return ip == p.own })
	if len(others) == len(ips) {
		return nil, errors.New("the Service does not list this pod yet, nor perhaps others")
	}
	slices.Sort(others)
	return others, nil
}
