package redisnode

import (
	"strings"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/agent"
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
		}},
		{agent.UserOperator, mayNot, []string{
			"FLUSHALL", "FLUSHDB", "SWAPDB 0 1", "DEBUG SLEEP 0", "MODULE LIST", "MODULE LOAD x",
		}},
		{agent.UserRedisnode, may, []string{"CLUSTER NODES", "CONFIG GET maxmemory"}},
		{agent.UserRedisnode, mayNot, []string{"FLUSHALL", "DEBUG SLEEP 0"}},
		{agent.UserReplication, may, []string{"PING", "REPLCONF listening-port 1"}},
		{agent.UserReplication, mayNot, []string{"GET k", "SET k v", "CLUSTER NODES", "INFO", "CONFIG GET maxmemory"}},
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
