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
	"strings"
	"sync"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const (
	// formerDir is where the files of a former life go, in the data directory.
	formerDir = "former"
	// formerPart is where they are gathered first: an older former life goes when the newer one is complete.
	formerPart = formerDir + ".part"
	formerOld  = formerDir + ".old"
)

// ofFormerLife says whether the cluster goes on without this node: it serves every slot, and no node in it lists this
// one any more. A scale-in has drained and forgotten it, its volume was kept, and a scale-out has found the volume
// again. What is on it is older than what others have: started with it, redis would call the slots of its keys its own
// affair (IMPORTING), and stale keys would come back.
//
// One node that lists it, or nobody who runs, is an answer: then it starts as what it was. While a node of the cluster
// cannot be asked there is none, and it waits.
func (g *gate) ofFormerLife(ctx context.Context, table cluster.Table, found map[cluster.NodeID]peer) (bool, error) {
	self, _ := table.Self()
	for _, p := range found { // those who answered just now: mostly the first one lists it
		if nodes, err := g.peers.nodes(ctx, p.IP); err == nil && slices.Contains(nodes.IDs, string(self.ID)) {
			return false, nil
		}
	}
	var known []string
	for _, p := range found {
		known = append(known, p.IP)
	}
	return judgeFormer(self.ID, g.peers.allNodes(ctx, known))
}

// judgeFormer says what answers mean. It is pure.
func judgeFormer(self cluster.NodeID, answers []agent.Nodes) (bool, error) {
	served := false
	var silent []string
	for _, a := range answers {
		if slices.Contains(a.IDs, string(self)) {
			return false, nil
		}
		served = served || a.Served
	}
	if !served {
		return false, nil
	}
	for _, a := range answers {
		for _, id := range a.IDs {
			if !slices.ContainsFunc(answers, func(b agent.Nodes) bool { return b.NodeID == id }) {
				silent = append(silent, cluster.NodeID(id).Short())
			}
		}
	}
	if len(silent) > 0 {
		slices.Sort(silent)
		return false, fmt.Errorf("no node that answers knows this one (%s), and these cannot be asked: %s",
			self.Short(), strings.Join(slices.Compact(silent), ", "))
	}
	return true, nil
}

// putAside moves what redis wrote in a former life out of its way. Nodes.conf goes last: whoever is killed before that
// asks and begins again.
func (g *gate) putAside(conf string, self cluster.NodeID) error {
	part := filepath.Join(g.opts.DataDir, formerPart)
	nobody := func(r *record) { r.NodeID, r.CopyOf, r.CopyMark = "", "", 0 }
	if err := errors.Join(g.state.change(nobody), os.MkdirAll(part, 0o700)); err != nil {
		return fmt.Errorf("put aside: %w", err)
	}
	for _, name := range append(dataFiles(conf, g.opts.DataDir), nodesFile) {
		err := os.Rename(filepath.Join(g.opts.DataDir, name), filepath.Join(part, freeName(part, name)))
		if err != nil && (name != nodesFile || !errors.Is(err, fs.ErrNotExist)) { // it may have been corrupt, and gone
			return fmt.Errorf("put aside: %w", err)
		}
		if err := errors.Join(syncDir(part), syncDir(g.opts.DataDir)); err != nil {
			return fmt.Errorf("put aside: %w", err)
		}
	}
	if err := g.keepFormer(); err != nil {
		return err
	}
	notice := fmt.Sprintf("no node of the cluster knows node %s any more, whose data were on the volume: they are in %s "+
		"now, and the node has begun anew", self.Short(), filepath.Join(g.opts.DataDir, formerDir))
	g.set(func() { g.notice = notice })
	glog.Warningf("%s: %s", g.opts, notice)
	return nil
}

// keepFormer makes what was put aside the former life, also when that was cut short.
func (g *gate) keepFormer() error {
	path := func(name string) string { return filepath.Join(g.opts.DataDir, name) }
	if _, err := os.Lstat(path(nodesFile)); err == nil {
		return nil // not all of it has been put aside
	}
	if _, err := os.Lstat(path(formerPart)); errors.Is(err, fs.ErrNotExist) {
		return os.RemoveAll(path(formerOld))
	}
	if err := os.Rename(path(formerDir), path(formerOld)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("put aside: %w", err)
	}
	if err := os.Rename(path(formerPart), path(formerDir)); err != nil {
		return fmt.Errorf("put aside: %w", err)
	}
	return errors.Join(syncDir(g.opts.DataDir), os.RemoveAll(path(formerOld)))
}

// dataFiles are what redis wrote in the data directory, but nodes.conf. What is somebody else's stays.
func dataFiles(conf, dir string) []string {
	own := []string{
		directive(conf, "dbfilename", "dump.rdb"), directive(conf, "appendfilename", "appendonly.aof"), appendDir(conf),
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		temporary := strings.HasPrefix(name, "temp-") && (strings.HasSuffix(name, ".rdb") || strings.HasSuffix(name, ".aof"))
		if slices.Contains(own, name) || temporary {
			names = append(names, name)
		}
	}
	return names
}

// freeName is the name, with a number when there is one of that name already: of an attempt that was cut short.
func freeName(dir, name string) string {
	free := name
	for i := 1; ; i++ {
		if _, err := os.Lstat(filepath.Join(dir, free)); err != nil {
			return free
		}
		free = fmt.Sprintf("%s.%d", name, i)
	}
}

// nodes is what the node at an address knows of the cluster.
func (p *peers) nodes(ctx context.Context, ip string) (agent.Nodes, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	return p.client.Nodes(ctx, ip)
}

// allNodes is what the nodes know that run at the addresses of the Service and at those given, in the order of their
// IDs.
func (p *peers) allNodes(ctx context.Context, also []string) []agent.Nodes {
	var (
		mu    sync.Mutex
		all   []agent.Nodes
		group sync.WaitGroup
	)
	slots := make(chan struct{}, askAtOnce)
	for _, ip := range p.addresses(ctx, also) {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			nodes, err := p.nodes(ctx, ip)
			if err != nil || nodes.NodeID == "" {
				glog.V(4).Infof("nodes: %s: %v", ip, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, nodes)
		})
	}
	group.Wait()
	slices.SortFunc(all, func(a, b agent.Nodes) int { return cmp.Compare(a.NodeID, b.NodeID) })
	return all
}

// reaches says whether the node that gave a table is in touch with one in it.
func reaches(n *cluster.Node) bool {
	return n.Flags.Myself || n.Connected && !n.Flags.Fail && !n.Flags.PFail
}

// Nodes is what the agent's node knows of its cluster.
func (a *Agent) Nodes(ctx context.Context) agent.Nodes {
	n := agent.Nodes{ClusterUID: a.opts.ClusterUID}
	look := a.node.fresh(ctx, statusAge)
	if look.info == nil || a.gate.read().holding {
		return n
	}
	self := look.info.Self()
	n.NodeID = string(self.ID)
	var served cluster.SlotSet
	for i := range look.info.Table {
		node := &look.info.Table[i]
		if !node.Flags.Handshake {
			n.IDs = append(n.IDs, string(node.ID))
		}
		if !node.Flags.Handshake && !reaches(node) {
			n.Unreached = append(n.Unreached, string(node.ID))
		}
		if !node.Flags.Fail {
			served = served.Union(node.Slots)
		}
	}
	n.Served = look.info.StateOK && served == cluster.AllSlots()
	return n
}
