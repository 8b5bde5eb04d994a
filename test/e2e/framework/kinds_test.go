package framework

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
	"github.com/redisoperator/redis-operator/test/e2e/witness"
)

// alone is a server that is no part of a cluster, and has in its append-only file all that it has answered.
func alone(t *testing.T, engine redistest.Engine, config ...string) *redistest.Server {
	t.Helper()
	return redistest.Start(t, redistest.Options{
		Engine: engine, Standalone: true, Config: append([]string{"appendonly yes", "appendfsync always"}, config...),
	})
}

func clientOf(t *testing.T, s *redistest.Server) *witness.Client {
	t.Helper()
	client := witness.NewClient("", s.Addr())
	t.Cleanup(client.Close)
	return client
}

// smallChanges are, by kind, as little as can become wrong with a value: a command without its key.
var smallChanges = map[string][]string{
	"string":            {"APPEND", "x"},
	"number":            {"INCR"},
	"bits":              {"SETBIT", "1", "1"},
	"expiry":            {"EXPIRE", "86000"},
	"list":              {"LPOP"},
	"long list":         {"RPOP"},
	"numbers":           {"SREM", "2"},
	"set":               {"SREM", "member 699"},
	"hash":              {"HSET", "a", "2"},
	"large hash":        {"HDEL", "member 699"},
	"sorted set":        {"ZADD", "1.6", "a"},
	"large sorted set":  {"ZREM", "member 699"},
	"places":            {"GEOADD", "13.4", "38.2", "Palermo"},
	"count of distinct": {"PFADD", "d"},
	"stream":            {"XDEL", "700-1"},
}

// What has become another value is found, whatever its type.
func TestKinds_Noticed(t *testing.T) {
	t.Parallel()
	client := clientOf(t, alone(t, redistest.Default(t)))
	written := writeKinds(t, client)
	if err := written.Verify(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	change := func(key, command string, words ...string) string {
		t.Helper()
		if _, err := client.Do(t.Context(), key, append([]string{command, key}, words...)...); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(written.Verify(t.Context(), client))
	}
	for _, k := range kinds() {
		words := smallChanges[k.name]
		if words == nil {
			t.Errorf("there is no small change for the %s", k.name)
			continue
		}
		if found := change("kind:"+k.name, words[0], words[1:]...); !strings.Contains(found, "the "+k.name+" is ") {
			t.Errorf("after %q nothing is found to be wrong with the %s: %s", words, k.name, found)
		}
	}
	if found := change(groupKey, "XACK", "readers", "1-1"); !strings.Contains(found, "the group of a stream waits") {
		t.Errorf("what a group has acknowledged is not found: %s", found)
	}
}

// Every engine reads values of every type that any other has written whose format it knows: sent to it as a replica, and
// from the file of before.
func TestKinds_Upgrade(t *testing.T) {
	t.Parallel()
	engines, pairs := redistest.Engines(t), 0
	for _, from := range engines {
		for _, to := range engines {
			if from == to || cluster.CannotRead(to.Version, from.Version) {
				continue
			}
			pairs++
			t.Run(from.Version+" to "+to.Version, func(t *testing.T) {
				t.Parallel()
				asReplica(t, from, to)
				fromFile(t, from, to)
			})
		}
	}
	if pairs == 0 {
		t.Error("there is no engine that another can be updated to")
	}
}

func asReplica(t *testing.T, from, to redistest.Engine) {
	t.Helper()
	primary := alone(t, from)
	written := writeKinds(t, clientOf(t, primary))
	replica := alone(t, to, "replicaof 127.0.0.1 "+strconv.Itoa(primary.Port))
	has(t, replica, written)
}

func fromFile(t *testing.T, from, to redistest.Engine) {
	t.Helper()
	s := alone(t, from)
	written := writeKinds(t, clientOf(t, s))
	s.Kill()
	s.Engine = to
	s.Restart(t)
	has(t, s, written)
}

// has fails unless a server has, soon, what was written.
func has(t *testing.T, s *redistest.Server, written *KindsWritten) {
	t.Helper()
	client := clientOf(t, s)
	redistest.Eventually(t, 20*time.Second, func() error { return written.Verify(t.Context(), client) })
}
