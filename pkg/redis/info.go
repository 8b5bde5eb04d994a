package redis

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// info is an answer to INFO or CLUSTER INFO: names and values. An engine that leaves a field out gives its
// zero value, so that a new version does not make nodes unobservable.
type info map[string]string

func parseInfo(text string) info {
	fields := info{}
	for line := range strings.Lines(text) {
		name, value, found := strings.Cut(strings.TrimSpace(line), ":")
		if found && !strings.HasPrefix(name, "#") {
			fields[name] = value
		}
	}
	return fields
}

func (f info) number(name string) int64 {
	n, err := strconv.ParseInt(f[name], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (f info) loading() bool { return f["loading"] == "1" || f["async_loading"] == "1" }

func (f info) isReplica() bool { return f["role"] == "slave" }

// linkUp is true for a primary, and for a replica that follows and has the whole dataset.
func (f info) linkUp() bool {
	if !f.isReplica() {
		return true
	}
	return f["master_link_status"] == "up" && f["master_sync_in_progress"] != "1" && !f.loading()
}

// startsWithin is the most seconds between the start of a replica's process and its first attempt to follow, while it
// loads next to nothing. One that loads for longer passes for one that has followed.
const startsWithin = 2

// linkDown is for how long a replica has had no link; 0 for one that has, and for a primary. Servers count it from
// their first attempt when there has been no link yet.
func (f info) linkDown() time.Duration {
	if !f.isReplica() || f["master_link_down_since_seconds"] == "" {
		return 0
	}
	seconds := f.number("master_link_down_since_seconds")
	if seconds < 0 || seconds+startsWithin >= f.number("uptime_in_seconds") {
		return cluster.NeverLinked
	}
	return time.Duration(seconds) * time.Second
}

// linkSilent is how long ago a replica heard of its primary last; 0 without a link, and for a primary.
func (f info) linkSilent() time.Duration {
	if !f.isReplica() {
		return 0
	}
	return time.Duration(max(0, f.number("master_last_io_seconds_ago"))) * time.Second
}

// offset is how much of the replication stream the node has.
func (f info) offset() int64 {
	if f.isReplica() {
		return f.number("slave_repl_offset")
	}
	return f.number("master_repl_offset")
}

// stream is the one that offset is of. The servers say with which byte the next one begins.
func (f info) stream() cluster.Stream {
	s := cluster.Stream{ID: f["master_replid"]}
	if begins := f.number("second_repl_offset"); begins > 0 {
		s.Former, s.FormerEnd = f["master_replid2"], begins-1
	}
	return s
}

// keys is the number of keys in this database, from "keys=12,expires=3,avg_ttl=0".
func (f info) keys(db string) int64 { return parsePairs(f[db]).number("keys") }

// allKeys is the number of keys in all databases: Valkey 9 has more than one in a cluster.
func (f info) allKeys() int64 {
	var sum int64
	for name := range f {
		if number, isDB := strings.CutPrefix(name, "db"); isDB && isNumber(number) {
			sum += f.keys(name)
		}
	}
	return sum
}

// notData is what used_memory has in it besides the data and its tables, as the servers name it.
var notData = []string{
	"used_memory_startup", "used_memory_scripts", "mem_replication_backlog", "mem_replica_full_sync_buffer",
	"mem_clients_slaves", "mem_clients_normal", "mem_cluster_links", "mem_aof_buffer",
	"mem_cluster_slot_migration_output_buffer", "mem_cluster_slot_migration_input_buffer", // Redis 8.4
	"mem_cluster_slot_import", "mem_cluster_slot_export", // Valkey 9
}

// dataBytes is the memory that would be free if the node had no keys: keys, values, and the tables that they are
// found in. used_memory_dataset leaves the tables out, which in Redis 8 are most of a small slot (2.4 kB each),
// and wraps around below zero on an empty node.
func (f info) dataBytes() int64 {
	bytes := f.number("used_memory")
	for _, name := range notData {
		bytes -= f.number(name)
	}
	return max(0, bytes)
}

// tableBytes is the part of dataBytes that is tables.
func (f info) tableBytes() int64 {
	bytes := f.number("used_memory_overhead")
	for _, name := range notData {
		bytes -= f.number(name)
	}
	return max(0, bytes)
}

// evicts is true when keys are given up where memory is short.
func (f info) evicts() bool {
	policy := f["maxmemory_policy"]
	return policy != "" && policy != "noeviction"
}

// writeFault is the first of what the server says of its last tries to write to its disk that failed; "" when all went
// well. With the first one it refuses writes (MISCONF) until one succeeds, with the second one where it is told to.
func (f info) writeFault() string {
	for _, name := range []string{"aof_last_write_status", "rdb_last_bgsave_status", "aof_last_bgrewrite_status"} {
		off := f["aof_enabled"] == "0" && name != "rdb_last_bgsave_status" // then it is of long ago
		if f[name] == "err" && !off {
			return name + ":err"
		}
	}
	return ""
}

// appendOnly says what the append-only file is worth. The first one after it was turned on is whole when it has been
// written to its end; a server that is at that calls it enabled, too.
func (f info) appendOnly() cluster.AppendOnly {
	switch {
	case f["aof_enabled"] == "0":
		return cluster.AppendOnlyOff
	case f["aof_enabled"] == "1" && f["aof_rewrite_in_progress"] == "0" && f["aof_rewrite_scheduled"] == "0" &&
		f["aof_last_bgrewrite_status"] == "ok":
		return cluster.AppendOnlyOn
	}
	return ""
}

// version is the engine and its version. Valkey keeps redis_version, of the last Redis that it is
// compatible with, for old clients.
func (f info) version() string {
	if version := f["valkey_version"]; version != "" {
		return "valkey " + version
	}
	name := f["server_name"]
	if name == "" {
		name = "redis"
	}
	return name + " " + f["redis_version"]
}

// replicas are the lines "slave0:ip=10.0.0.2,port=6379,state=online,offset=1234,lag=1".
func (f info) replicas() []ReplicaInfo {
	var replicas []ReplicaInfo
	// Their number is the server's word; where it has gaps, reading goes on to that number.
	for i := range f.number("connected_slaves") {
		line, found := f[fmt.Sprintf("slave%d", i)]
		if !found {
			continue
		}
		pairs := parsePairs(line)
		replicas = append(replicas, ReplicaInfo{
			IP:     pairs["ip"],
			Port:   int(pairs.number("port")),
			Online: pairs["state"] == "online",
			Offset: pairs.number("offset"),
			Lag:    time.Duration(pairs.number("lag")) * time.Second,
		})
	}
	return replicas
}

// parsePairs reads "a=1,b=2".
func parsePairs(text string) info {
	pairs := info{}
	for pair := range strings.SplitSeq(text, ",") {
		if name, value, found := strings.Cut(pair, "="); found {
			pairs[name] = value
		}
	}
	return pairs
}

func isNumber(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// nodeInfo puts the three answers of an observation together.
func nodeInfo(nodes string, clusterInfo, server info) (*cluster.NodeInfo, error) {
	table, err := cluster.ParseNodes(nodes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotRedis, err)
	}
	if _, ok := table.Self(); !ok {
		return nil, errorf(ErrNotRedis, "a table without the node's own line")
	}
	return &cluster.NodeInfo{
		Table:        table,
		StateOK:      clusterInfo["cluster_state"] == "ok",
		CurrentEpoch: uint64(max(0, clusterInfo.number("cluster_current_epoch"))),
		Loading:      server.loading(),
		Uptime:       time.Duration(max(0, server.number("uptime_in_seconds"))) * time.Second,
		FullSyncs:    server.number("sync_full"),
		LinkUp:       server.linkUp(),
		LinkDown:     server.linkDown(),
		LinkSilent:   server.linkSilent(),
		ReplOffset:   server.offset(),
		Stream:       server.stream(),
		Keys:         server.keys("db0"),
		UsedBytes:    server.number("used_memory"),
		DataBytes:    server.dataBytes(),
		Evicts:       server.evicts(),
		Clients:      server.number("connected_clients"),
		MaxBytes:     server.number("maxmemory"),
		Version:      server.version(),
		AppendOnly:   server.appendOnly(),
		WriteFault:   server.writeFault(),
	}, nil
}

// Peer is where another node is to be met.
type Peer struct {
	IP      string
	Port    int
	BusPort int // 0: the port plus 10000
}

// String is the address of clients, and the bus port when it is not the usual one.
func (p Peer) String() string {
	addr := net.JoinHostPort(p.IP, strconv.Itoa(p.Port))
	if p.BusPort == 0 {
		return addr
	}
	return addr + "@" + strconv.Itoa(p.BusPort)
}
