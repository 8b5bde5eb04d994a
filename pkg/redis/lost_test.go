package redis_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// hasten has nodes suspect each other after a second. The dead are dead by then: a busy machine may be silent for longer.
func hasten(t *testing.T, alive ...*redistest.Server) {
	t.Helper()
	for _, s := range alive {
		s.MustDo(t, "CONFIG", "SET", "cluster-node-timeout", "1000")
	}
}

// Two of three masters die at once, so that nobody can vote: the replicas know for how long they have had no link, one
// TAKEOVER makes a majority again, and the cluster is whole after the second.
func TestFault31_TakeoverWithoutMajority(t *testing.T) {
	t.Parallel()
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			c := redistest.Form(t, 3, 1, redistest.Options{Engine: engine})
			redistest.Eventually(t, 20*time.Second, func() error { // so that it shows that they have followed
				var uptime int
				_, after, _ := strings.Cut(c.Servers[4].MustDo(t, "INFO", "server"), "uptime_in_seconds:")
				if _, err := fmt.Sscan(after, &uptime); err != nil || uptime < 5 {
					return fmt.Errorf("up for %d s: %w", uptime, err)
				}
				return nil
			})
			c.Servers[0].Kill()
			c.Servers[1].Kill()
			hasten(t, c.Servers[2:]...)
			for _, i := range []int{3, 4} {
				redistest.Eventually(t, 20*time.Second, func() error {
					info := observe(t, c.Clients, c.Servers[i])
					primary, _ := info.Table.Find(info.Self().PrimaryID)
					if info.LinkUp || info.LinkDown < time.Second || info.StateOK || !primary.Flags.PFail && !primary.Flags.Fail {
						return fmt.Errorf("link up %v, down for %s, state ok %v, %+v", info.LinkUp, info.LinkDown, info.StateOK, primary.Flags)
					}
					return nil
				})
			}
			for _, i := range []int{3, 4} {
				err := c.Clients.Failover(t.Context(), c.Servers[i].Endpoint(), redis.Takeover)
				if err != nil && !errors.Is(err, redis.ErrNotReplica) { // elected by then
					t.Fatal(err)
				}
			}
			for _, i := range []int{2, 3, 4, 5} {
				redistest.Eventually(t, 20*time.Second, func() error {
					if info := observe(t, c.Clients, c.Servers[i]); !info.StateOK {
						return fmt.Errorf("server %d: cluster_state is not ok", i)
					}
					return nil
				})
			}
			redistest.Eventually(t, 20*time.Second, func() error { // two of the same epoch settle that when they meet
				epochs := map[uint64]bool{}
				for _, i := range []int{2, 3, 4} {
					epochs[observe(t, c.Clients, c.Servers[i]).Self().ConfigEpoch] = true
				}
				if len(epochs) != 3 {
					return fmt.Errorf("three masters have %d epochs", len(epochs))
				}
				return nil
			})
		})
	}
}

// A master is lost with all it had: its slots can be given to an empty node once all have forgotten who had them, which
// they refuse as long as nobody says that its slots are given up.
func TestFault32_SlotsBeginAnew(t *testing.T) {
	t.Parallel()
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			c := redistest.Form(t, 4, 0, redistest.Options{Engine: engine, Config: []string{"cluster-allow-replica-migration no"}})
			lost := observe(t, c.Clients, c.Servers[2]).Self().Slots
			heir := redistest.Start(t, redistest.Options{Engine: engine})
			peers := []redis.Peer{c.Servers[0].Peer(), c.Servers[1].Peer(), c.Servers[3].Peer()}
			if err := c.Clients.Meet(t.Context(), heir.Endpoint(), peers); err != nil {
				t.Fatal(err)
			}
			all := []*redistest.Server{c.Servers[0], c.Servers[1], c.Servers[3], heir}
			for _, s := range all {
				redistest.Eventually(t, 20*time.Second, func() error {
					table := observe(t, c.Clients, s).Table
					if owner, _ := table.Find(c.IDs[2]); len(table) != 5 || owner.Slots != lost {
						return fmt.Errorf("%d nodes are known, and slots %s", len(table), owner.Slots)
					}
					return nil
				})
			}
			c.Servers[2].Kill()
			hasten(t, all...)
			if err := c.Clients.AddSlots(t.Context(), heir.Endpoint(), 0, lost); !errors.Is(err, redis.ErrBusySlot) {
				t.Fatalf("slots of a node that is not forgotten: %v", err)
			}
			gone := []cluster.NodeID{c.IDs[2]}
			if err := c.Clients.Forget(t.Context(), heir.Endpoint(), gone, cluster.SlotSet{}); !errors.Is(err, redis.ErrOwnsSlots) {
				t.Fatalf("a node whose slots are not given up: %v", err)
			}
			for _, s := range all {
				if err := c.Clients.Forget(t.Context(), s.Endpoint(), gone, lost); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Clients.AddSlots(t.Context(), heir.Endpoint(), 0, lost); err != nil {
				t.Fatal(err)
			}
			for _, s := range all {
				redistest.Eventually(t, 20*time.Second, func() error {
					info := observe(t, c.Clients, s)
					owner, _ := info.Table.Find(observe(t, c.Clients, heir).Self().ID)
					if !info.StateOK || owner.Slots != lost || info.Table.Index(c.IDs[2]) >= 0 {
						return fmt.Errorf("state ok %v, slots of the heir %s", info.StateOK, owner.Slots)
					}
					return nil
				})
			}
		})
	}
}
