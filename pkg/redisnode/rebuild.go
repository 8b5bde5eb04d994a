package redisnode

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// rebuild makes the nodes.conf of a node that has been in the cluster and whose own is lost, from the table of a peer
// that lists it. Without it the node would come back as another, and with data as an owner of what is not its own. It
// is "" for a node that is new; for one that the cluster has forgotten; and for one without data of which nobody knows.
func (g *gate) rebuild(ctx context.Context, conf string) (string, cluster.Table, error) {
	id := g.state.read().NodeID
	if id == "" {
		return "", nil, nil
	}
	hasData := hasDataset(conf, g.opts.DataDir)
	for start := g.clock.Now(); ; {
		g.wait("nodes.conf of node %s is lost: asking the peers for theirs", id.Short())
		if text, from := g.accountOf(ctx, id); text != "" {
			table, err := parseNodesConf(text)
			if err != nil {
				return "", nil, fmt.Errorf("nodes.conf from the table of %s: %w", from, err)
			}
			g.note("nodes.conf was lost and is made again from the table of %s", from)
			return text, table, nil
		}
		former, err := judgeFormer(id, g.peers.allNodes(ctx, nil))
		switch {
		case err != nil:
			return "", nil, err
		case former:
			return "", nil, g.putAside(conf, id)
		case g.clock.Since(start) < aloneBound:
		case hasData:
			return "", nil, fmt.Errorf("nodes.conf is lost, and nobody who answers knows node %s, whose data are here",
				id.Short())
		default:
			g.note("nodes.conf was lost, nobody knows node %s, and it has no data: it has begun anew", id.Short())
			return "", nil, g.state.change(func(r *record) { r.NodeID = "" })
		}
		if err := pause(ctx, g.clock, gateInterval); err != nil {
			return "", nil, err
		}
	}
}

// note adds what a person should know of this start.
func (g *gate) note(format string, args ...any) {
	notice := fmt.Sprintf(format, args...)
	glog.Warningf("%s: %s", g.opts, notice)
	g.set(func() {
		switch {
		case g.notice == "":
			g.notice = notice
		case !strings.Contains(g.notice, notice): // the gate tries again
			g.notice += "; " + notice
		}
	})
}

// rebuildNodes makes the nodes.conf of a node from another's table; "" when the node is not in it. Slots that were on
// their way are on it no more: whoever moves them looks again. The node has voted in the last epoch for all that it
// knows, and does not vote in it twice.
func rebuildNodes(table agent.Table, id cluster.NodeID) string {
	var b strings.Builder
	listed := false
	for line := range strings.Lines(table.Nodes) {
		fields := strings.Fields(line)
		if len(fields) < 8 || fields[0] == "vars" {
			continue
		}
		flags := slices.DeleteFunc(strings.Split(fields[2], ","), func(f string) bool { return f == "myself" })
		if slices.Contains(flags, "handshake") {
			continue
		}
		if fields[0] == string(id) {
			listed = true
			flags = append([]string{"myself"}, flags...)
		}
		fields[2] = strings.Join(flags, ",")
		fields = slices.DeleteFunc(fields, func(f string) bool { return strings.HasPrefix(f, "[") })
		b.WriteString(strings.Join(fields, " "))
		b.WriteByte('\n')
	}
	if !listed {
		return ""
	}
	fmt.Fprintf(&b, "vars currentEpoch %d lastVoteEpoch %[1]d\n", table.Epoch)
	return b.String()
}

// selfIn is the node that a nodes.conf is of, as far as a corrupt one still says.
func selfIn(text string) cluster.NodeID {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) > 2 && slices.Contains(strings.Split(fields[2], ","), "myself") && isNodeID(fields[0]) {
			return cluster.NodeID(fields[0])
		}
	}
	return ""
}

func isNodeID(text string) bool {
	return len(text) == 40 && strings.Trim(text, "0123456789abcdef") == ""
}

// currentEpochIn is the epoch in the last line of a nodes.conf; 0 when there is none.
func currentEpochIn(text string) uint64 {
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == "vars" && fields[1] == "currentEpoch" {
			epoch, err := strconv.ParseUint(fields[2], 10, 64)
			if err == nil {
				return epoch
			}
		}
	}
	return 0
}

// table is what the node at an address has for a table.
func (p *peers) table(ctx context.Context, ip string) (agent.Table, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	return p.client.Table(ctx, ip)
}

// Table is what the agent's node knows, in its own words.
func (a *Agent) Table(ctx context.Context) agent.Table {
	t := agent.Table{ClusterUID: a.opts.ClusterUID}
	err := errors.New("it is held")
	if !a.gate.read().holding {
		err = a.liveTable(ctx, &t)
	}
	if err != nil {
		glog.V(4).Infof("%s: table: %v", &a.opts, err)
		data, missing := os.ReadFile(a.gate.nodesPath())
		if missing != nil {
			return t
		}
		t.Nodes, t.Epoch, t.Running = string(data), currentEpochIn(string(data)), false
	}
	table, err := cluster.ParseNodes(t.Nodes)
	if err != nil {
		return agent.Table{ClusterUID: a.opts.ClusterUID}
	}
	self, _ := table.Self()
	t.NodeID = string(self.ID)
	return t
}

func (a *Agent) liveTable(ctx context.Context, t *agent.Table) error {
	ep, err := a.endpoint()
	if err != nil {
		return err
	}
	t.Nodes, t.Epoch, err = a.clients.NodesText(ctx, ep)
	t.Running = true
	return err
}

// remember keeps who the node is, and what its files are worth. A look that is older than the last one says nothing.
func (a *Agent) remember(ctx context.Context, look snapshot) {
	if look.info == nil || a.gate.read().holding {
		return
	}
	id, worth := look.info.Self().ID, look.info.AppendOnly
	text, err := os.ReadFile(filepath.Join(a.opts.ConfigDir, confFile))
	if err != nil {
		worth = "" // who knows where they are
	}
	conf := string(text)
	stale := a.staleSnapshot(ctx, look, conf)
	a.changeRecord(func(r *record) {
		if look.at.Before(a.remembered) {
			return
		}
		a.remembered = look.at
		r.NodeID = id
		rememberCopy(r, look.info)
		r.StaleSnapshot = cmp.Or(stale, r.StaleSnapshot)
		a.rememberFiles(r, worth, conf)
	})
}
