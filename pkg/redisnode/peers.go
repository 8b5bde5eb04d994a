package redisnode

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const (
	resolveTimeout = time.Second
	statusTimeout  = time.Second
	// askAtOnce bounds the agents asked at the same time.
	askAtOnce = 32
)

// peer is an agent that has proven that it belongs to the cluster, and what it said.
type peer struct {
	IP     string
	Status agent.Status
}

func (p peer) ID() cluster.NodeID { return cluster.NodeID(p.Status.NodeID) }

// inCluster says that its node is in a cluster that serves. One with slots that knows nobody yet is of a cluster that
// is being formed.
func (p peer) inCluster() bool {
	return p.Status.Phase == agent.PhaseRunning && p.Status.Formed && p.Status.Peers > 0
}

// peers finds and asks the other agents of the cluster.
type peers struct {
	client  *agent.Client
	resolve func(ctx context.Context, name string) ([]string, error)
	service string // the name of the headless Service
	own     string // the address of this pod
	podUID  string

	clusterUID  string
	generations agent.Generations
}

// addresses are the peers' addresses that the Service knows, and also the ones given. A Service that cannot be
// looked up has none: what is known already is asked all the same.
func (p *peers) addresses(ctx context.Context, also []string) []string {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	found, err := p.resolve(ctx, p.service)
	if err != nil {
		glog.V(4).Infof("look up %s: %v", p.service, err)
	}
	all := append(slices.Clone(also), found...)
	slices.Sort(all)
	all = slices.Compact(all)
	return slices.DeleteFunc(all, func(ip string) bool { return ip == "" || ip == p.own })
}

// find asks the agents at all addresses, in parallel. Who does not answer, or cannot prove that it
// belongs to the cluster, is left out.
func (p *peers) find(ctx context.Context, also []string) []peer {
	return p.ask(ctx, p.addresses(ctx, also))
}

func (p *peers) ask(ctx context.Context, ips []string) []peer {
	var (
		mu    sync.Mutex
		found []peer
		group sync.WaitGroup
	)
	slots := make(chan struct{}, askAtOnce)
	for _, ip := range ips {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			status, err := p.status(ctx, ip)
			if err != nil {
				glog.V(4).Infof("status: %v", err)
				return
			}
			if status.PodUID == p.podUID {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			found = append(found, peer{IP: ip, Status: status})
		})
	}
	group.Wait()
	slices.SortFunc(found, func(a, b peer) int { return cmp.Compare(a.IP, b.IP) })
	return found
}

func (p *peers) status(ctx context.Context, ip string) (agent.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	return p.client.Status(ctx, ip)
}

// better says whether a is to be believed rather than b when both claim to be the same node: while a pod is
// replaced, the old agent may still answer.
func better(a, b agent.Status) bool {
	if a.Stopping != b.Stopping {
		return !a.Stopping
	}
	return a.Phase == agent.PhaseRunning && b.Phase != agent.PhaseRunning
}

// promote asks a replica to take the place of the primary. Death is nil when that lives.
func (p *peers) promote(
	ctx context.Context, to peer, primary cluster.NodeID, mode agent.PromoteMode, death *agent.Death,
) error {
	return p.client.Promote(ctx, to.IP, agent.PromoteRequest{
		Order:     p.orderFor(to),
		Mode:      mode,
		PrimaryID: string(primary),
		Death:     death,
	})
}

// orderFor is what every order to a peer begins with.
func (p *peers) orderFor(to peer) agent.Order {
	return agent.Order{
		ClusterUID: p.clusterUID,
		PodUID:     to.Status.PodUID,
		Generation: max(to.Status.Generation, p.generations.Highest()),
	}
}
