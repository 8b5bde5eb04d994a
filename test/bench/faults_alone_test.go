//go:build bench

package bench

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
	"github.com/redisoperator/redis-operator/test/e2e/chaos"
	"github.com/redisoperator/redis-operator/test/e2e/witness"
)

// redisAlone kills the primaries of a cluster without any operator or agent, on loopback, with the same node-timeout: what
// is measured is its vote.
func redisAlone(t *testing.T, b *breakage) {
	const timeout = "15000"
	// In the file for those that are started again, and set now, since forming a cluster has lowered it.
	c := redistest.Form(t, chaos.Shards, 1, redistest.Options{Config: []string{"cluster-node-timeout " + timeout}})
	for _, s := range c.Servers {
		s.MustDo(t, "CONFIG", "SET", "cluster-node-timeout", timeout)
	}
	var times []time.Duration
	for i := range b.rounds {
		times = append(times, voteAfterKill(t, c, i%chaos.Shards))
	}
	b.add(faultRow{what: "Redis alone, a primary killed (-9): writes accepted again", times: times})
}

// voteAfterKill kills the primary of a shard, and says how long nobody took a write to its slots.
func voteAfterKill(t *testing.T, c *redistest.Cluster, shard int) time.Duration {
	t.Helper()
	var seeds []string
	for _, s := range c.Servers {
		seeds = append(seeds, s.Addr())
	}
	client := witness.NewClient("", seeds...)
	defer client.Close()
	key := "{" + witness.TagIn(0, shard, chaos.Shards) + "}"
	victim := ownerOf(t, c, witness.Slot(key))
	if _, err := client.Do(t.Context(), key, "SET", key, "1"); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	victim.Kill()
	for {
		_, err := client.Do(t.Context(), key, "SET", key, "1")
		if err == nil {
			break
		}
		if time.Since(begin) > 2*time.Minute {
			t.Fatalf("nobody took over: %v", err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	took := time.Since(begin)
	t.Logf("alone: %s after the kill", took)
	victim.Restart(t)
	redistest.Eventually(t, time.Minute, func() error { return linkedTo(t, victim) })
	return took
}

// ownerOf is the server that says that a slot is its own.
func ownerOf(t *testing.T, c *redistest.Cluster, slot uint16) *redistest.Server {
	t.Helper()
	for _, s := range c.Servers {
		for _, n := range witness.ReadNodes(s.MustDo(t, "CLUSTER", "NODES")) {
			if n.Is("myself") && n.Is("master") && n.Owns(slot) {
				return s
			}
		}
	}
	t.Fatalf("nobody owns slot %d", slot)
	return nil
}

// linkedTo is nil when a server is a replica in sync.
func linkedTo(t *testing.T, s *redistest.Server) error {
	text, err := s.Do(t.Context(), "INFO", "replication")
	if err == nil && !strings.Contains(text, "master_link_status:up") {
		err = errors.New("it is no replica in sync yet")
	}
	return err
}
