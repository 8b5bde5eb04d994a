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
//
// A replica also gets the shard ID of its primary: a server that was stopped before the two had agreed has
// written a file that Valkey 8.1.1 calls corrupt (valkey issue 2171). All else stays as it is.
func repairNodes(text, own string, peers map[cluster.NodeID]string) string {
	var b strings.Builder
	shards := shardIDs(text)
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[0] == "vars" {
			b.WriteString(line)
			continue
		}
		flags := strings.Split(fields[2], ",")
		ip := peers[cluster.NodeID(fields[0])]
		if slices.Contains(flags, "myself") {
			ip = own
		}
		fields[1] = withShard(withAddress(fields[1], ip), shards[fields[3]])
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

const shardKey = "shard-id="

// shardIDs are the shard IDs of nodes by their IDs.
func shardIDs(text string) map[string]string {
	ids := map[string]string{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 {
			continue
		}
		for part := range strings.SplitSeq(fields[1], ",") {
			if shard, ok := strings.CutPrefix(part, shardKey); ok {
				ids[fields[0]] = shard
			}
		}
	}
	return ids
}

// withShard replaces the shard ID in an address field that has one. "" leaves it.
func withShard(field, shard string) string {
	if shard == "" {
		return field
	}
	parts := strings.Split(field, ",")
	for i, part := range parts {
		if strings.HasPrefix(part, shardKey) {
			parts[i] = shardKey + shard
		}
	}
	return strings.Join(parts, ",")
}
