package redis_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// A replica takes over without a vote until a time, and not after it: also one that was stopped when it was told, and finds
// that when it goes on.
func TestTakeOverBefore(t *testing.T) {
	t.Parallel()
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			c := redistest.Form(t, 3, 1, redistest.Options{Engine: engine})
			replica := c.Servers[3]
			if err := c.Clients.TakeOverBefore(t.Context(), replica.Endpoint(), time.Now().Add(-time.Second), nil); !errors.Is(err, redis.ErrLate) {
				t.Errorf("a second late: %v", err)
			}
			replica.Pause(t)
			before := time.Now().Add(300 * time.Millisecond)
			ctx, cancel := context.WithDeadline(t.Context(), before)
			defer cancel()
			if err := c.Clients.TakeOverBefore(ctx, replica.Endpoint(), before, nil); !errors.Is(err, redis.ErrNotReachable) {
				t.Errorf("by a replica that is stopped: %v", err)
			}
			replica.Resume(t)
			// What it was sent is before this on its way, and done when this is answered.
			if role := observe(t, c.Clients, replica).Self().Role; role != cluster.Replica {
				t.Fatal("it took over when it went on")
			}
			if err := c.Clients.TakeOverBefore(t.Context(), replica.Endpoint(), time.Now().Add(10*time.Second), nil); err != nil {
				t.Fatal(err)
			}
			self := observe(t, c.Clients, replica).Self()
			if self.Role != cluster.Primary || self.Slots.IsEmpty() {
				t.Fatalf("it is %+v", self)
			}
			redistest.Eventually(t, 20*time.Second, func() error {
				if info := observe(t, c.Clients, c.Servers[0]); info.Self().PrimaryID != c.IDs[3] || !info.LinkUp {
					return errors.New("the old primary does not follow")
				}
				return nil
			})
			if err := c.Clients.TakeOverBefore(t.Context(), replica.Endpoint(), time.Now().Add(10*time.Second), nil); err != nil {
				t.Errorf("again: %v", err)
			}
		})
	}
}

// A replica that takes over in the middle of a move goes on with it: who asks for a key that is at the target by now is
// sent there, and not told that there is none.
func TestTakeOver_Leaving(t *testing.T) {
	t.Parallel()
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			c := redistest.Form(t, 3, 1, redistest.Options{Engine: engine})
			source, target, replica := c.Servers[0], c.Servers[1], c.Servers[3]
			slots := c.Owned(t, 0).Take(2)
			for slot := range slots.All() {
				text := strconv.Itoa(int(slot))
				target.MustDo(t, "CLUSTER", "SETSLOT", text, "IMPORTING", string(c.IDs[0]))
				source.MustDo(t, "CLUSTER", "SETSLOT", text, "MIGRATING", string(c.IDs[1]))
			}
			leaving := []redis.Leaving{{Slots: slots, To: c.IDs[1]}}
			if err := c.Clients.TakeOver(t.Context(), replica.Endpoint(), leaving); err != nil {
				t.Fatal(err)
			}
			self := observe(t, c.Clients, replica).Self()
			var going cluster.SlotSet
			for _, open := range self.Open {
				if !open.Importing && open.Peer == c.IDs[1] {
					going = going.Add(open.Slot)
				}
			}
			if self.Role != cluster.Primary || going != slots {
				t.Errorf("it gives away %s, not %s: %+v", going, slots, self.Role)
			}
			foreign := []redis.Leaving{{Slots: c.Owned(t, 1).Take(1), To: c.IDs[2]}}
			if err := c.Clients.TakeOver(t.Context(), c.Servers[5].Endpoint(), foreign); !errors.Is(err, redis.ErrNotMarked) {
				t.Errorf("with a slot of another shard: %v", err)
			}
		})
	}
}
