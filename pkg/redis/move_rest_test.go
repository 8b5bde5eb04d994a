package redis_test

import (
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// TestMoveSlots_Rest has slots go to a node that rests: they do not change hands before it has, though there is little
// else to wait for. Both ends of every batch of keys rest from it.
func TestMoveSlots_Rest(t *testing.T) {
	c := redistest.FormSteady(t, 3, 0, redistest.Options{})
	moves := []redis.SlotMove{
		{From: c.End(t, 0), To: c.End(t, 2), Slots: c.Owned(t, 0).Take(100)},
		{From: c.End(t, 1), To: c.End(t, 2), Slots: c.Owned(t, 1).Take(100)},
	}
	c.Fill(t, redistest.Strings("rest:", 20000, 10))
	o := classic
	o.Profile = redis.ProfileLatency
	const rest = 300 * time.Millisecond
	begun := time.Now()
	moved, sources, targets, err := c.Clients.MoveSlotsAtRest(t.Context(), moves, o, rest)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took < rest {
		t.Errorf("slots came to a node that had to rest for %s after %s", rest, took)
	}
	for i := range moved {
		if left := moves[i].Slots.Minus(moved[i].Slots); !left.IsEmpty() {
			t.Errorf("%s stayed behind", left)
		}
	}
	for end, nodes := range map[string]map[cluster.NodeID]time.Time{"source": sources, "target": targets} {
		for id, free := range nodes {
			if !free.After(begun) {
				t.Errorf("%s, a %s of batches, never had to rest from one", id.Short(), end)
			}
		}
	}
	if len(sources) != 2 || len(targets) != 1 {
		t.Errorf("%d sources and %d targets may rest, not 2 and 1", len(sources), len(targets))
	}
	c.Whole(t)
}
