package redistest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// formTimeout is generous, as startTimeout is.
const formTimeout = 60 * time.Second

// SteadyTimeout is the node-timeout of FormSteady.
const SteadyTimeout = 30 * time.Second

// Cluster is servers that form one cluster: first the primaries, then the replicas. Replica i follows
// primary i modulo the number of primaries.
type Cluster struct {
	Servers   []*Server
	Primaries int
	Clients   *redis.Clients
	IDs       []cluster.NodeID // of the servers
}

// Form starts servers and forms a cluster of them: primaries, and replicas of each. It is ready: every node
// knows every other, all slots are served, all replicas follow.
func Form(tb testing.TB, primaries, replicas int, opts Options) *Cluster {
	tb.Helper()
	return Join(tb, StartMany(tb, primaries*(1+replicas), opts), primaries)
}

// FormSteady is a cluster as the operator sets it up, on a machine that may be busy: a node that has given its last slot
// stays a primary, and no node is given up because it answers late.
func FormSteady(tb testing.TB, primaries, replicas int, o Options) *Cluster {
	tb.Helper()
	o.Config = append([]string{"cluster-allow-replica-migration no"}, o.Config...)
	c := Form(tb, primaries, replicas, o)
	for _, s := range c.Servers {
		s.MustDo(tb, "CONFIG", "SET", "cluster-node-timeout", strconv.FormatInt(SteadyTimeout.Milliseconds(), 10))
	}
	Eventually(tb, formTimeout, func() error {
		for _, o := range c.Clients.ObserveAll(tb.Context(), c.Endpoints()) {
			if o.Err != nil {
				return o.Err
			}
			if err := serves(o.Info); err != nil {
				return err
			}
		}
		return nil
	})
	return c
}

// Join forms a cluster of servers that know no other yet: of the first primaries, and of the rest as replicas.
func Join(tb testing.TB, servers []*Server, primaries int) *Cluster {
	tb.Helper()
	clients := redis.NewClients(redis.Dialer{TLS: servers[0].ClientTLS()})
	tb.Cleanup(clients.Close)
	c := &Cluster{Servers: servers, Primaries: primaries, Clients: clients, IDs: make([]cluster.NodeID, len(servers))}
	ctx, cancel := context.WithTimeout(tb.Context(), formTimeout)
	defer cancel()
	// In this order: a node that has met another takes no epoch any more, and while nodes are given up as quickly as
	// this nobody follows who could be elected: a busy machine may be silent for half a second.
	for _, step := range []func(context.Context, int) error{c.prepare, c.meet, c.awaitMet, c.settle, c.follow, c.awaitWhole} {
		if err := c.each(ctx, step); err != nil {
			tb.Fatalf("form a cluster: %v\n%s", err, c.Nodes(tb.Context()))
		}
	}
	return c
}

// each does a step on all servers at the same time.
func (c *Cluster) each(ctx context.Context, step func(context.Context, int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for i := range c.Servers {
		group.Go(func() error { return step(ctx, i) })
	}
	return group.Wait()
}

// prepare gives the primaries epochs and slots. A low node timeout makes a node that was alone willing to
// serve after half a second, not five.
func (c *Cluster) prepare(ctx context.Context, i int) error {
	ep := c.Servers[i].Endpoint()
	node, err := c.Clients.Observe(ctx, ep)
	if err != nil {
		return err
	}
	c.IDs[i] = node.Self().ID
	if err := c.setTimeout(ctx, i, "500"); err != nil || i >= c.Primaries {
		return err
	}
	before := cluster.AllSlots().Take(cluster.SlotCount * i / c.Primaries)
	slots := cluster.AllSlots().Take(cluster.SlotCount * (i + 1) / c.Primaries).Minus(before)
	return c.Clients.AddSlots(ctx, ep, uint64(i+1), slots) //nolint:gosec // a small number
}

// meet is a full mesh: slots travel only in messages from their owner.
func (c *Cluster) meet(ctx context.Context, i int) error {
	peers := make([]redis.Peer, 0, len(c.Servers))
	for j, s := range c.Servers {
		if j != i {
			peers = append(peers, s.Peer())
		}
	}
	return c.Clients.Meet(ctx, c.Servers[i].Endpoint(), peers)
}

func (c *Cluster) follow(ctx context.Context, i int) error {
	if i < c.Primaries {
		return nil
	}
	primary := c.IDs[i%c.Primaries]
	return until(ctx, func() error { return c.Clients.Replicate(ctx, c.Servers[i].Endpoint(), primary) })
}

// awaitMet waits until a server knows all others, and that all slots are served.
func (c *Cluster) awaitMet(ctx context.Context, i int) error {
	return c.await(ctx, i, func(node *cluster.NodeInfo) error {
		if err := met(node, len(c.Servers)); err != nil {
			return err
		}
		return serves(node)
	})
}

func (c *Cluster) awaitWhole(ctx context.Context, i int) error {
	return c.await(ctx, i, func(node *cluster.NodeInfo) error { return whole(node, len(c.Servers)) })
}

// await waits until what a server says of itself is as it should be.
func (c *Cluster) await(ctx context.Context, i int, check func(*cluster.NodeInfo) error) error {
	return until(ctx, func() error {
		node, err := c.Clients.Observe(ctx, c.Servers[i].Endpoint())
		if err != nil {
			return err
		}
		return check(node)
	})
}

// whole says what is missing.
func whole(node *cluster.NodeInfo, nodes int) error {
	if err := met(node, nodes); err != nil {
		return err
	}
	if !node.LinkUp {
		return fmt.Errorf("%s has no link to its primary", node.Self().ID.Short())
	}
	return serves(node)
}

func serves(node *cluster.NodeInfo) error {
	if !node.StateOK {
		return fmt.Errorf("%s: cluster_state is not ok", node.Self().ID.Short())
	}
	return nil
}

// met says whom the node does not know, or not well enough.
func met(node *cluster.NodeInfo, nodes int) error {
	self := node.Self()
	if len(node.Table) != nodes {
		return fmt.Errorf("%s knows %d nodes of %d", self.ID.Short(), len(node.Table), nodes)
	}
	for _, peer := range node.Table {
		if peer.Flags.Handshake || !peer.Connected {
			return fmt.Errorf("%s has no link to %s", self.ID.Short(), peer.ID.Short())
		}
	}
	return nil
}

func (c *Cluster) settle(ctx context.Context, i int) error { return c.setTimeout(ctx, i, "5000") }

func (c *Cluster) setTimeout(ctx context.Context, i int, millis string) error {
	settings := []redis.Setting{{Name: "cluster-node-timeout", Value: millis}}
	return c.Clients.ConfigSet(ctx, c.Servers[i].Endpoint(), settings)
}

// Endpoints are those of all servers.
func (c *Cluster) Endpoints() []redis.Endpoint {
	eps := make([]redis.Endpoint, len(c.Servers))
	for i, s := range c.Servers {
		eps[i] = s.Endpoint()
	}
	return eps
}

// Nodes is what every server says of the cluster, for the message of a failure.
func (c *Cluster) Nodes(ctx context.Context) string {
	var text strings.Builder
	for _, s := range c.Servers {
		nodes, err := s.Do(ctx, "CLUSTER", "NODES")
		fmt.Fprintf(&text, "%s: %v\n%s\n", s.Addr(), err, nodes)
	}
	return text.String()
}

// Eventually tries until it succeeds, and fails the test with the last error when the time is over.
func Eventually(tb testing.TB, within time.Duration, try func() error) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), within)
	defer cancel()
	if err := until(ctx, try); err != nil {
		tb.Fatalf("after %v: %v", within, err)
	}
}

// until tries every 10 ms.
func until(ctx context.Context, try func() error) error {
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-retry.C:
		}
	}
}
