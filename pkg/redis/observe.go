package redis

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/golang/glog"
	"golang.org/x/sync/errgroup"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// observeAtOnce bounds the nodes asked at the same time: a thousand nodes must not need a thousand sockets
// and goroutines at once.
const observeAtOnce = 64

// infoSections are the parts of INFO that a NodeInfo is made of. Several at once need Redis 7.
var infoSections = command{"INFO", "server", "clients", "replication", "memory", "persistence", "stats", "keyspace"}

// Observation is what one node said, or why it did not.
type Observation struct {
	Info *cluster.NodeInfo // nil when Err is set
	Err  error
}

// Observe asks one node for its table and its state, in one pipeline, and changes nothing. A server that may be
// migrating slots by itself is asked for these tasks after that: what an older one would call an error is not sent.
//
// A node that loads its dataset gives no table before Valkey 8.1: that is ErrLoading, and the node is alive.
func (c *Clients) Observe(ctx context.Context, ep Endpoint) (*cluster.NodeInfo, error) {
	var node *cluster.NodeInfo
	err := c.call(ctx, ep, "observe", func(ctx context.Context) (err error) {
		node, err = c.observe(ctx, ep)
		return err
	})
	return node, err
}

func (c *Clients) observe(ctx context.Context, ep Endpoint) (*cluster.NodeInfo, error) {
	replies, err := c.do(ctx, ep, command{"CLUSTER", "NODES"}, command{"CLUSTER", "INFO"}, infoSections)
	if err != nil {
		return nil, err
	}
	clusterInfo := parseInfo(replies[1].text)
	node, err := nodeInfo(replies[0].text, clusterInfo, parseInfo(replies[2].text))
	if err != nil {
		return nil, err
	}
	if err = c.observeTasks(ctx, ep, node, clusterInfo); err != nil {
		return nil, err
	}
	return node, nil
}

// ObserveAll observes nodes in parallel. Observations are in the order of the endpoints. A node that hangs
// costs its own CommandTimeout and nobody else's.
func (c *Clients) ObserveAll(ctx context.Context, eps []Endpoint) []Observation {
	observations := make([]Observation, len(eps))
	var group errgroup.Group
	group.SetLimit(observeAtOnce)
	for i, ep := range eps {
		group.Go(func() error {
			observations[i] = c.observeSafely(ctx, ep)
			return nil
		})
	}
	_ = group.Wait() // every error is in its observation
	return observations
}

// observeSafely turns a panic over what one node said into that node's error: in a goroutine that nobody catches it
// would end the process, and with it the care for every other cluster.
func (c *Clients) observeSafely(ctx context.Context, ep Endpoint) (o Observation) {
	defer func() {
		if r := recover(); r != nil {
			glog.Errorf("observe %s: panic: %v\n%s", ep.Addr, r, debug.Stack())
			o = Observation{Err: fmt.Errorf("observe %s: panic: %v", ep.Addr, r)}
		}
	}()
	node, err := c.Observe(ctx, ep)
	return Observation{Info: node, Err: err}
}

// own is the node's table and its own line in it.
func (c *Clients) own(ctx context.Context, ep Endpoint) (cluster.Table, cluster.Node, error) {
	node, err := c.observe(ctx, ep)
	if err != nil {
		return nil, cluster.Node{}, err
	}
	return node.Table, node.Self(), nil
}
