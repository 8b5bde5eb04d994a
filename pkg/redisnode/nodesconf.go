package redisnode

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

var errNoSelf = errors.New("no node in it is myself")

// parseNodesConf reads a nodes.conf that redis is going to load.
func parseNodesConf(text string) (cluster.Table, error) {
	table, err := cluster.ParseNodes(text)
	if err != nil {
		return nil, err
	}
	if _, ok := table.Self(); !ok {
		return nil, errNoSelf
	}
	if !strings.Contains(text, "\nvars ") { // redis writes it last: without it, the file was cut off
		return nil, errors.New("it has no line of vars")
	}
	if !strings.HasSuffix(text, "\n") { // redis refuses it: "unexpected end of file"
		return nil, errors.New("its last line is cut off")
	}
	return table, nil
}

// repairNodes puts today's addresses into the text of nodes.conf: own for the node itself, and for each
// peer the one at which its agent has proven who it is. A peer that nobody answers for gets none, so that
// redis does not gossip to an address that may be somebody else's by now: it will be heard of when it pings.
// All else stays as it is.
func repairNodes(text, own string, peers map[cluster.NodeID]string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[0] == "vars" {
			b.WriteString(line)
			continue
		}
		flags := strings.Split(fields[2], ",")
		ip := peers[cluster.NodeID(fields[0])]
		if slices.Contains(flags, "myself") {
			ip = own
		}
		fields[1] = withAddress(fields[1], ip)
		fields[2] = strings.Join(withReach(flags, ip != ""), ",")
		b.WriteString(strings.Join(fields, " "))
		b.WriteByte('\n')
	}
	return b.String()
}

// withAddress replaces the address in "ip:port@busport,hostname,shard-id=...".
func withAddress(field, ip string) string {
	address := ":0@0"
	if ip != "" {
		address = fmt.Sprintf("%s:%d@%d", ip, agent.RedisPort, agent.BusPort)
	}
	if _, more, ok := strings.Cut(field, ","); ok {
		return address + "," + more
	}
	return address
}

// withReach sets the flags by whether the node can be reached. One that was just heard of has not failed:
// redis would hold a failed primary for failed for two more node-timeouts.
func withReach(flags []string, reached bool) []string {
	drop := []string{"noaddr", "noflags"}
	if reached {
		drop = append(drop, "fail", "fail?")
	}
	kept := slices.DeleteFunc(flags, func(f string) bool { return slices.Contains(drop, f) })
	if !reached {
		kept = append(kept, "noaddr")
	}
	if len(kept) == 0 {
		return []string{"noflags"}
	}
	return kept
}
