package redis_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// classic moves key by key whatever the servers can do.
var classic = redis.MoveOptions{Engine: redis.EngineClassic, Profile: redis.ProfileThroughput, Budget: time.Minute}

var profiles = []redis.Profile{redis.ProfileThroughput, redis.ProfileLatency}

// drainTo are the moves that bring all slots of a server to others, in equal parts.
func drainTo(tb testing.TB, c *redistest.Cluster, from int, to ...int) []redis.SlotMove {
	tb.Helper()
	slots := c.Owned(tb, from)
	var moves []redis.SlotMove
	for i, target := range to {
		part := slots.Take(slots.Len() / (len(to) - i))
		slots = slots.Minus(part)
		moves = append(moves, redis.SlotMove{From: c.End(tb, from), To: c.End(tb, target), Slots: part})
	}
	return moves
}

// gather are the moves that bring so many slots to a server, in equal parts from others.
func gather(tb testing.TB, c *redistest.Cluster, count, to int, from ...int) []redis.SlotMove {
	tb.Helper()
	var moves []redis.SlotMove
	for i, source := range from {
		share := count * (i + 1) / len(from)
		share -= count * i / len(from)
		moves = append(moves, redis.SlotMove{
			From: c.End(tb, source), To: c.End(tb, to), Slots: c.Owned(tb, source).Take(share),
		})
	}
	return moves
}

// moveAll moves until everything is where it has to be.
func moveAll(tb testing.TB, c *redistest.Cluster, moves []redis.SlotMove, o redis.MoveOptions) []redis.Moved {
	tb.Helper()
	sum := make([]redis.Moved, len(moves))
	for range 1000 {
		left := 0
		moved, err := c.Clients.MoveSlots(tb.Context(), moves, o)
		if err != nil {
			tb.Fatal(err)
		}
		for i := range moved {
			sum[i].Slots = sum[i].Slots.Union(moved[i].Slots)
			sum[i].Keys += moved[i].Keys
			sum[i].Bytes += moved[i].Bytes
			sum[i].Conflicts += moved[i].Conflicts
			left += moves[i].Slots.Minus(moved[i].Slots).Len()
		}
		if left == 0 {
			return sum
		}
	}
	tb.Fatal("it takes for ever")
	return nil
}

func TestMoveSlots(t *testing.T) {
	t.Parallel()
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			c := redistest.FormSteady(t, 4, 0, redistest.Options{Engine: engine})
			c.Fill(t, redistest.Strings("fill:", 20000, 100))
			for _, profile := range profiles {
				t.Run(string(profile), func(t *testing.T) {
					o := classic
					o.Profile = profile
					traffic := redistest.StartTraffic(t, c.Servers, redistest.TrafficOptions{Prefix: string(profile), Every: time.Millisecond})
					in := drainTo(t, c, 3, 0, 1, 2)
					start := time.Now()
					moveAll(t, c, in, o)
					t.Log("in", time.Since(start))
					if left := c.Owned(t, 3); !left.IsEmpty() {
						t.Errorf("server 3 still owns %s", left)
					}
					out := gather(t, c, 4096, 3, 0, 1, 2)
					start = time.Now()
					moveAll(t, c, out, o)
					t.Log("out", time.Since(start))
					if got := c.Owned(t, 3).Len(); got != 4096 {
						t.Errorf("server 3 owns %d slots", got)
					}
					traffic.Check(t)
					c.Whole(t)
					t.Log(traffic.Wrote(), "writes", traffic.Redirects(), "redirects", traffic.Failed(), "failures")
				})
			}
		})
	}
}

// TestMoveSlots_BothWays has two nodes give slots to each other at the same time, as moves that were cut may have it.
// What a node takes must not give it an epoch with which it takes back what it is giving.
func TestMoveSlots_BothWays(t *testing.T) {
	t.Parallel()
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			c := redistest.FormSteady(t, 3, 0, redistest.Options{Engine: engine})
			c.Fill(t, redistest.Strings("fill:", 20000, 100))
			for range 12 {
				moveAll(t, c, []redis.SlotMove{
					{From: c.End(t, 0), To: c.End(t, 1), Slots: c.Owned(t, 0).Take(1024)},
					{From: c.End(t, 1), To: c.End(t, 0), Slots: c.Owned(t, 1).Take(1024)},
				}, classic)
			}
			c.Whole(t)
			keys := 0
			for _, s := range c.Servers {
				n, err := strconv.Atoi(s.MustDo(t, "DBSIZE"))
				if err != nil {
					t.Fatal(err)
				}
				keys += n
			}
			if keys != 20000 {
				t.Errorf("%d keys are left of 20000", keys)
			}
		})
	}
}
