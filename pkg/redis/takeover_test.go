package redis_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// A replica takes over without a vote until a time, and not after it: also one that was stopped when it was told, and finds
// that when it goes on.
func TestTakeOverBefore(t *testing.T) {
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			c := redistest.Form(t, 3, 1, redistest.Options{Engine: engine})
			replica := c.Servers[3]
			if err := c.Clients.TakeOverBefore(t.Context(), replica.Endpoint(), time.Now().Add(-time.Second)); !errors.Is(err, redis.ErrLate) {
				t.Errorf("a second late: %v", err)
			}
			replica.Pause(t)
			before := time.Now().Add(300 * time.Millisecond)
			ctx, cancel := context.WithDeadline(t.Context(), before)
			defer cancel()
			if err := c.Clients.TakeOverBefore(ctx, replica.Endpoint(), before); !errors.Is(err, redis.ErrNotReachable) {
				t.Errorf("by a replica that is stopped: %v", err)
			}
			replica.Resume(t)
			// What it was sent is before this on its way, and done when this is answered.
			if role := observe(t, c.Clients, replica).Self().Role; role != cluster.Replica {
				t.Fatal("it took over when it went on")
			}
			if err := c.Clients.TakeOverBefore(t.Context(), replica.Endpoint(), time.Now().Add(10*time.Second)); err != nil {
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
			if err := c.Clients.TakeOverBefore(t.Context(), replica.Endpoint(), time.Now().Add(10*time.Second)); err != nil {
				t.Errorf("again: %v", err)
			}
		})
	}
}
