package redis_test

import (
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// TestMoveSlots_Rest has slots without keys go to a node that rests: they do not change hands before it has, though
// there is nothing else to wait for.
func TestMoveSlots_Rest(t *testing.T) {
	c := redistest.FormSteady(t, 3, 0, redistest.Options{})
	moves := []redis.SlotMove{
		{From: c.End(t, 0), To: c.End(t, 2), Slots: c.Owned(t, 0).Take(100)},
		{From: c.End(t, 1), To: c.End(t, 2), Slots: c.Owned(t, 1).Take(100)},
	}
	o := classic
	o.Profile = redis.ProfileLatency
	const rest = 300 * time.Millisecond
	begun := time.Now()
	moved, err := c.Clients.MoveSlotsAtRest(t.Context(), moves, o, rest)
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
	c.Whole(t)
}
