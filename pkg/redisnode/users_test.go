package redisnode

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// What each user may do, asked of a real server.
func TestUsers(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(1, 1) // the replica is in sync: the user that replicates can
	const may, mayNot = "", "NOPERM"
	for _, test := range []struct {
		user    string
		verdict string
		asked   []string
	}{
		{"default", may, []string{
			"SET k v", "GET k", "CLUSTER SLOTS", "CLUSTER SHARDS", "CLUSTER NODES", "CLUSTER INFO", "CLUSTER KEYSLOT k",
			"CLUSTER MYID", "CLUSTER COUNTKEYSINSLOT 1", "INFO", "ROLE", "PING", "HELLO 3", "CLIENT SETNAME x",
			"CLIENT ID", "COMMAND COUNT", "EVAL 'return 1' 0", "PUBLISH c m", "SPUBLISH c m", "WAIT 0 1", "READONLY", "DBSIZE",
			"SCAN 0", "KEYS x", "XADD s * a 1", "FLUSHALL", "ACL WHOAMI", "MEMORY USAGE k",
		}},
		{"default", mayNot, []string{
			"CONFIG GET maxmemory", "CONFIG SET maxmemory 1gb", "CLUSTER MEET 127.0.0.1 1", "CLUSTER RESET", "CLUSTER FORGET x",
			"CLUSTER FAILOVER", "CLUSTER ADDSLOTS 1", "CLUSTER SETSLOT 1 STABLE", "CLUSTER REPLICATE x", "CLUSTER BUMPEPOCH",
			"MIGRATE h 1 k 0 1", "RESTORE k 0 x", "RESTORE-ASKING k 0 x", "DEBUG SLEEP 0", "SHUTDOWN", "REPLICAOF NO ONE",
			"ACL LIST", "ACL SETUSER x", "MODULE LIST", "MONITOR", "PSYNC ? -1", "SYNC", "BGSAVE", "SAVE", "CLIENT KILL ID 1",
			"FAILOVER", "LATENCY RESET", "SLOWLOG GET",
		}},
		{agent.UserOperator, may, []string{
			"CLUSTER NODES", "CONFIG GET maxmemory", "CLUSTER BUMPEPOCH", "INFO", "ACL LIST", "CLIENT LIST", "DBSIZE",
			// What moving slots needs, key by key and whole.
			"CLUSTER SETSLOT 1 STABLE", "CLUSTER COUNTKEYSINSLOT 1", "CLUSTER GETKEYSINSLOT 1 1", "MIGRATE h 1 k 0 1",
			"MEMORY USAGE k", "OBJECT IDLETIME k", "DUMP k", "DEL k", "FUNCTION DUMP", "FUNCTION RESTORE x",
			"CLUSTER SLOT-STATS SLOTSRANGE 0 1", "CLUSTER MIGRATESLOTS", "CLUSTER GETSLOTMIGRATIONS",
			"CLUSTER CANCELSLOTMIGRATIONS", "CLUSTER MIGRATION STATUS",
		}},
		{agent.UserOperator, mayNot, []string{
			"FLUSHALL", "FLUSHDB", "SWAPDB 0 1", "DEBUG SLEEP 0", "MODULE LIST", "MODULE LOAD x",
		}},
		{agent.UserRedisnode, may, []string{"CLUSTER NODES", "CONFIG GET maxmemory"}},
		{agent.UserRedisnode, mayNot, []string{"FLUSHALL", "DEBUG SLEEP 0"}},
		{agent.UserReplication, may, []string{"PING", "REPLCONF listening-port 1"}},
		{agent.UserReplication, mayNot, []string{"GET k", "SET k v", "CLUSTER NODES", "INFO", "CONFIG GET maxmemory"}},
		{agent.UserMover, may, []string{"SELECT 0", "RESTORE-ASKING k 0 x", "RESTORE-ASKING k 0 x REPLACE"}},
		{agent.UserMover, mayNot, []string{
			"GET k", "SET k v", "DEL k", "DUMP k", "KEYS x", "SCAN 0", "RESTORE k 0 x", "MIGRATE h 1 k 0 1", "PUBLISH c m",
			"CLUSTER NODES", "CLUSTER SETSLOT 1 STABLE", "INFO", "CONFIG GET maxmemory", "ACL LIST", "FLUSHALL", "EVAL 'return 1' 0",
		}},
	} {
		password := canary + test.user
		if test.user != "default" {
			password += "-password"
		}
		for _, command := range test.asked {
			got := pods[0].cli(test.user, password, splitArgs(command)...)
			if refused := strings.HasPrefix(got, "NOPERM") || strings.Contains(got, "failed: -NOPERM") || strings.Contains(got, "DEBUG command not allowed") ||
				strings.Contains(got, "MODULE command not allowed"); refused != (test.verdict == mayNot) {
				t.Errorf("%s: %s: %.200s", test.user, command, got)
			}
			if strings.HasPrefix(got, "AUTH failed") || strings.HasPrefix(got, "NOAUTH") {
				t.Fatalf("%s: %s: %s", test.user, command, got)
			}
		}
	}
	if got := pods[0].cli("default", "wrong", "PING"); strings.Contains(got, "PONG") {
		t.Errorf("a wrong password: %s", got)
	}
}

// A node gives a key to another as the user mover, again and again over the connection that it keeps.
func TestUsers_MoverTakesKeys(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(2, 0)
	from, to := pods[0], pods[1]
	// Tags with two letters are in 676 slots: some are the first node's.
	slot, tag := 0, ""
	for c := 'a'; c <= 'z' && tag == ""; c++ {
		slot, _ = strconv.Atoi(from.client("CLUSTER", "KEYSLOT", string(c)))
		if slot < cluster.SlotCount/2 {
			tag = string(c)
		}
	}
	for _, key := range []string{"{" + tag + "}1", "{" + tag + "}2"} {
		if got := from.client("SET", key, "v", "EX", "1000"); got != "OK" {
			t.Fatal(got)
		}
	}
	for _, told := range []struct {
		pod  *testPod
		args []string
	}{
		{to, []string{"CLUSTER", "SETSLOT", strconv.Itoa(slot), "IMPORTING", string(from.info().Self().ID)}},
		{from, []string{"CLUSTER", "SETSLOT", strconv.Itoa(slot), "MIGRATING", string(to.info().Self().ID)}},
	} {
		if got := told.pod.operator(told.args...); got != "OK" {
			t.Fatal(got)
		}
	}
	for _, key := range []string{"{" + tag + "}1", "{" + tag + "}2"} {
		got := from.operator("MIGRATE", to.ip, strconv.Itoa(agent.RedisPort), "", "0", "1000", "REPLACE",
			"AUTH2", agent.UserMover, canary+fileMover, "KEYS", key)
		if got != "OK" {
			t.Errorf("MIGRATE as the user mover: %s", got)
		}
	}
	if got := to.operator("CLUSTER", "COUNTKEYSINSLOT", strconv.Itoa(slot)); got != "2" {
		t.Errorf("%s keys have arrived", got)
	}
}

// splitArgs splits at spaces outside of single quotes.
func splitArgs(command string) []string {
	var args []string
	for i, part := range strings.Split(command, "'") {
		if i%2 == 1 {
			args = append(args, part)
			continue
		}
		args = append(args, strings.Fields(part)...)
	}
	return args
}

// A server that gives whole slots by itself does so in the name of the user that replicates. What clients write
// meanwhile comes the same way, whatever it is that they write.
func TestUsers_ReplicationTakesSlots(t *testing.T) {
	useEngine(t, "valkey 9")
	w := newWorld(t, onDisk)
	pods := w.form(2, 0)
	from, to := pods[0], pods[1]
	slot := from.client("CLUSTER", "KEYSLOT", "b")
	const fill = "for i = 1, 5000 do redis.call('SET', '{b}' .. i, i) end redis.call('RPUSH', '{b}l', 3, 1, 2) return 1"
	if got := from.client("EVAL", fill, "1", "{b}"); got != "1" {
		t.Fatal(got)
	}
	// The snapshot takes a while: what follows comes as a stream.
	if got := from.operator("CONFIG", "SET", "rdb-key-save-delay", "100"); got != "OK" {
		t.Fatal(got)
	}
	got := from.operator("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", string(to.info().Self().ID))
	if got != "OK" {
		t.Fatal(got)
	}
	eventually(t, "the snapshot is being taken", func() (bool, string) {
		jobs := from.operator("CLUSTER", "GETSLOTMIGRATIONS")
		return strings.Contains(jobs, "snapshotting"), jobs
	})
	from.pipe(everyKindOfWrite)
	eventually(t, "the slot has its new owner", func() (bool, string) {
		return to.info().Self().Slots.Len() == cluster.SlotCount/2+1, from.operator("CLUSTER", "GETSLOTMIGRATIONS")
	})
	if refused := to.operator("ACL", "LOG"); strings.TrimSpace(refused) != "" {
		t.Errorf("the target refused:\n%s", refused)
	}
	for key, wanted := range map[string]string{"{b}5000": "5000", "{b}n": "1", "{b}f": "1"} {
		if value := to.client("GET", key); value != wanted {
			t.Errorf("%s has arrived as %q", key, value)
		}
	}
	if stats := to.operator("INFO", "commandstats"); !strings.Contains(stats, "cmdstat_pfcount:") {
		t.Errorf("the writes did not come as a stream:\n%s", stats)
	}
}

const everyKindOfWrite = `MULTI
SET {b}m 1
INCR {b}n
EXEC
EVAL "redis.call('SET', KEYS[1], 1) return redis.call('INCR', KEYS[2])" 2 {b}e {b}f
XADD {b}s * a 1
XGROUP CREATE {b}s g 0
XREADGROUP GROUP g c COUNT 1 STREAMS {b}s >
PFADD {b}p x
PFCOUNT {b}p
GETEX {b}m EX 1000
SET {b}gone 1 PX 1
SORT {b}l STORE {b}sorted
GETDEL {b}gone
SETBIT {b}bits 7 1
GEOADD {b}geo 1 1 x
GEOSEARCHSTORE {b}geo2 {b}geo FROMMEMBER x BYRADIUS 1 m
HSET {b}h a 1
HINCRBYFLOAT {b}h a 0.5
SPUBLISH {b}c m
PUBLISH c m
COPY {b}h {b}h2 REPLACE
RENAME {b}h2 {b}h3
UNLINK {b}h3
EXPIRE {b}h 100
`

// useEngine makes the pods of a test run a server of the lab's cache, by the beginning of its version.
func useEngine(t *testing.T, version string) {
	t.Helper()
	engines := redistest.Engines(t)
	i := slices.IndexFunc(engines, func(e redistest.Engine) bool { return strings.HasPrefix(e.Version, version) })
	if i < 0 {
		t.Skipf("this machine has no %s", version)
	}
	dir := t.TempDir()
	must(t, os.Symlink(engines[i].Server, filepath.Join(dir, "valkey-server")))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}
