package redisnode

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/golang/glog"
	"k8s.io/utils/clock"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const (
	confFile = "redis.conf"

	// askBound is how long the gate looks for the peers of nodes.conf. Who does not answer within it is
	// heard of when it pings, or is met later.
	askBound = 3 * time.Second
	// aloneBound is how long a node that owns slots looks when nobody at all has answered: it may be the one that
	// is cut off, or the Service may not have heard of anybody yet. It would serve until its node-timeout.
	aloneBound  = 10 * time.Second
	askInterval = 100 * time.Millisecond
	askTimeout  = 500 * time.Millisecond
	// gateInterval is how often the gate looks again at what it waits for.
	gateInterval = 500 * time.Millisecond
)

// gate decides when redis may start. It opens once for each start of the container of redis.
type gate struct {
	opts  *Options
	clock clock.Clock
	state *state
	peers *peers
	// settleDeath returns when a replica has taken the place of the redis that died, or none can.
	settleDeath func(context.Context)

	mu       sync.Mutex
	waiting  string
	holding  bool      // a start is being held
	starts   int       // that were asked for since redis last served
	openedAt time.Time // zero: not since this agent started
	stopping bool
	server   version // of the redis that asks to start
	notice   string
	// volumeFault is why the volume could not be written to when that was last tried; "" when it could.
	volumeFault string
}

// saved is what the disk says of a node that does not run.
type saved struct {
	table    cluster.Table // nil when there is none
	hasData  bool
	hasLog   bool // the data are in an append-only file, with all that was written
	restarts bool // the ConfigMap says that it starts again, and no replica takes over
}

// gateState is what the gate tells the rest of the agent.
type gateState struct {
	waiting  string
	holding  bool
	starts   int
	openedAt time.Time
	stopping bool
	notice   string

	volumeFault string
}

func (g *gate) read() gateState {
	g.mu.Lock()
	defer g.mu.Unlock()
	return gateState{g.waiting, g.holding, g.starts, g.openedAt, g.stopping, g.notice, g.volumeFault}
}

// served notes that redis has started and has its data.
func (g *gate) served(look snapshot) {
	if look.info != nil && !look.info.Loading {
		g.set(func() { g.starts = 0 })
	}
}

func (g *gate) set(fn func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	fn()
}

// wait says what the gate waits for, and logs it when it is something else than before.
func (g *gate) wait(format string, args ...any) {
	reason := fmt.Sprintf(format, args...)
	g.mu.Lock()
	changed := g.waiting != reason
	g.waiting = reason
	g.mu.Unlock()
	if changed && reason != "" {
		glog.Infof("%s: the gate waits: %s", g.opts, reason)
	}
}

// open blocks until redis may start, and gives the path of its configuration.
func (g *gate) open(ctx context.Context) (string, error) {
	var already bool
	g.set(func() {
		already = g.holding
		g.holding, g.stopping, g.openedAt, g.notice = true, false, time.Time{}, ""
	})
	if already {
		return "", errors.New("another start is being held")
	}
	defer g.set(func() { g.holding, g.waiting = false, "" })
	g.set(func() { g.starts++ })

	g.wait("settling the death of the redis before")
	g.settleDeath(ctx)
	for {
		if err := g.passFence(ctx); err != nil {
			return "", err
		}
		err := g.prepare(ctx)
		if err == nil {
			g.set(func() { g.openedAt = g.clock.Now() })
			glog.Infof("%s: the gate is open", g.opts)
			return confPath(g.opts.RunDir), nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if !errors.Is(err, errFenced) {
			g.wait("%v", err)
		}
		if err := pause(ctx, g.clock, gateInterval); err != nil {
			return "", err
		}
	}
}

// because is a reason behind a sentence, when there is one.
func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

var errFenced = errors.New("fenced")

// passFence waits until the node is not fenced.
func (g *gate) passFence(ctx context.Context) error {
	for {
		changed := g.state.wait()
		kept := g.state.read()
		if !kept.Fenced {
			return nil
		}
		g.wait("the node is fenced%s", because(kept.Doubt))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// prepare does all that must be done before redis starts. Its last look is at the fence.
func (g *gate) prepare(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(g.opts.ConfigDir, confFile))
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	secrets, err := readPasswords(g.opts.ConfigDir)
	if err != nil {
		return err
	}
	if err = g.putStaleAside(string(text)); err != nil {
		return err
	}
	conf := g.asLeft(string(text))
	nodes, table, err := g.loadNodes(ctx, conf)
	if err != nil {
		return err
	}
	lost := ""
	if hasData := hasDataset(conf, g.opts.DataDir); len(table) > 1 || len(table) == 1 && hasData {
		if nodes, lost, err = g.rejoin(ctx, past{conf, nodes, table, hasData}); err != nil {
			return err
		}
	} else if err := g.keepFormer(); err != nil {
		return err
	}
	if err := g.state.change(func(r *record) { r.DataLost = lost }); err != nil {
		glog.Warningf("%s: write state: %v", g.opts, err)
	}
	if nodes != "" {
		if err := writeFile(g.nodesPath(), []byte(nodes), 0o644); err != nil {
			return err
		}
	}
	if err := g.writeConf(string(text), secrets, g.arrival(ctx, nodes)); err != nil {
		return err
	}
	if g.state.read().Fenced {
		return errFenced
	}
	return nil
}

// past is what a node has been.
type past struct {
	conf    string
	nodes   string // its nodes.conf
	table   cluster.Table
	hasData bool
}

// rejoin makes the nodes.conf of a node that has been in a cluster fit for today, and sees to it that the node
// does not come back empty in front of its own replicas. One that the cluster has forgotten begins anew, without one.
func (g *gate) rejoin(ctx context.Context, p past) (repaired, lost string, err error) {
	g.wait("asking the peers who they are")
	table := p.table
	found, err := g.askPeers(ctx, table)
	if err != nil {
		return "", "", err
	}
	self, _ := table.Self()
	if former, failed := g.ofFormerLife(ctx, table, found); former || failed != nil {
		if former {
			failed = g.putAside(p.conf, self.ID)
		}
		return "", "", failed
	}
	if p.hasData, err = g.tendLog(ctx, p, found); err != nil {
		return "", "", err
	}
	copies, older, err := g.newerThanVolume(p, found)
	switch {
	case err != nil:
	case self.Slots.IsEmpty():
	case !p.hasData:
		if lost, err = g.yield(ctx, table, found); lost != "" {
			lost = g.lossOf(lost, p.conf)
		}
	case older:
		err = g.yieldOlder(ctx, table, found, copies)
	}
	if err == nil {
		err = g.dropUnfinished(p.conf)
	}
	if err != nil {
		return "", "", err
	}
	addresses := map[cluster.NodeID]string{}
	for id, p := range found {
		addresses[id] = p.IP
	}
	glog.Infof("%s: nodes.conf: %d of %d peers have answered", g.opts, len(found), len(table)-1)
	return repairNodes(p.nodes, g.opts.PodIP, addresses), lost, nil
}

// lossOf says what a node has lost that has no copy to yield to: nothing that it knows of when it has a snapshot.
func (g *gate) lossOf(lost, conf string) string {
	if hasOnlySnapshot(conf, g.opts.DataDir) {
		g.note("there is no append-only file, and no copy was alive: its snapshot is loaded")
		return ""
	}
	glog.Errorf("%s: starting empty: %s", g.opts, lost)
	return lost
}

func (g *gate) nodesPath() string { return filepath.Join(g.opts.DataDir, nodesFile) }

// loadNodes reads nodes.conf, or makes it again when it is lost; "" when there is none to be had.
func (g *gate) loadNodes(ctx context.Context, conf string) (string, cluster.Table, error) {
	if err := g.tryVolume(); err != nil {
		return "", nil, err
	}
	nodes, table, err := g.readNodes()
	if err == nil && table == nil {
		return g.rebuild(ctx, conf)
	}
	return nodes, table, err
}

// readNodes reads nodes.conf: "" when there is none. One that redis could not load is set aside, since redis
// would end in a loop. Who the node is, is kept.
func (g *gate) readNodes() (string, cluster.Table, error) {
	data, err := os.ReadFile(g.nodesPath())
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(data) == 0 {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("read nodes.conf: %w", err)
	}
	table, err := parseNodesConf(string(data))
	if err == nil {
		return string(data), table, nil
	}
	keep := func(r *record) { r.NodeID = cmp.Or(r.NodeID, selfIn(string(data))) }
	if failed := g.state.change(keep); failed != nil {
		return "", nil, failed
	}
	aside, failed := setAside(g.nodesPath())
	if failed != nil {
		return "", nil, failed
	}
	g.note("nodes.conf was corrupt (%v) and is set aside as %s", err, aside)
	return "", nil, nil
}

// recall is what can be said of the node while it does not run.
func (g *gate) recall() saved {
	conf, err := os.ReadFile(filepath.Join(g.opts.ConfigDir, confFile))
	if err != nil {
		glog.V(4).Infof("%s: recall: %v", g.opts, err)
	}
	left := g.asLeft(string(conf))
	s := saved{
		hasData:  g.hasData(string(conf)),
		hasLog:   appendsOnly(left) && hasAppended(left, g.opts.DataDir),
		restarts: restartsAfterCrash(string(conf)),
	}
	data, err := os.ReadFile(g.nodesPath())
	if err != nil {
		return s
	}
	table, err := parseNodesConf(string(data))
	if err != nil {
		return s
	}
	s.table = table
	return s
}

// askPeers looks for the peers in the table until all have answered, or time is up.
func (g *gate) askPeers(ctx context.Context, table cluster.Table) (map[cluster.NodeID]peer, error) {
	self, _ := table.Self()
	found := map[cluster.NodeID]peer{}
	start := g.clock.Now()
	for interval := askInterval; ; interval += askInterval {
		g.askRound(ctx, table, found)
		bound := askBound
		if len(found) == 0 && !self.Slots.IsEmpty() {
			bound = aloneBound
		}
		if len(found) == len(table)-1 || g.clock.Since(start) >= bound {
			return found, ctx.Err()
		}
		if err := pause(ctx, g.clock, min(interval, gateInterval)); err != nil {
			return nil, err
		}
	}
}

// askRound asks once at every address that is not known to be that of a peer yet, and adds who answers.
func (g *gate) askRound(ctx context.Context, table cluster.Table, found map[cluster.NodeID]peer) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	ips := g.peers.addresses(ctx, addressesOf(table))
	for _, p := range found {
		ips = slices.DeleteFunc(ips, func(ip string) bool { return ip == p.IP })
	}
	for _, p := range g.peers.ask(ctx, ips) {
		if _, known := table.Find(p.ID()); !known {
			continue
		}
		if other, twice := found[p.ID()]; !twice || better(p.Status, other.Status) {
			found[p.ID()] = p
		}
	}
}

func addressesOf(table cluster.Table) []string {
	var ips []string
	for _, n := range table {
		if !n.Flags.Myself && n.Addr.IP != "" {
			ips = append(ips, n.Addr.IP)
		}
	}
	return ips
}

// arrival says how the node comes to its cluster, with this nodes.conf.
func (g *gate) arrival(ctx context.Context, nodes string) arrival {
	switch {
	case nodes != "":
		return comesBack
	case slices.ContainsFunc(g.peers.find(ctx, nil), peer.inCluster):
		return joins
	}
	return forms
}

// writeConf writes redis.conf and users.acl. Both hold secrets: nobody but this user may read them.
func (g *gate) writeConf(text string, secrets passwords, a arrival) error {
	var server version
	g.set(func() { server = g.server })
	conf := renderConf(text, pod{
		IP:          g.opts.PodIP,
		Bind:        g.opts.RedisBind,
		DataDir:     g.opts.DataDir,
		RunDir:      g.opts.RunDir,
		NodeTimeout: nodeTimeout(text, a),
		Replication: secrets.Replication,
		Start:       g.opts.Conf,
		Snapshot:    a == comesBack && hasOnlySnapshot(text, g.opts.DataDir),
		Appended:    g.keepsAppending(text),
	})
	return errors.Join(
		writeFile(aclPath(g.opts.RunDir), []byte(renderACL(secrets, server, g.opts.Denied)), 0o600),
		writeFile(confPath(g.opts.RunDir), []byte(conf), 0o600),
	)
}
