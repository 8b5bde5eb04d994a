package redis_test

import (
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// A primary that has been started again may have been replaced while it was away. Slots move from it and to it, with the
// new epoch that takes, once it has had the time to hear of that: when it serves.
func TestMoveSlots_JustBack(t *testing.T) {
	t.Parallel()
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			c := redistest.FormSteady(t, 3, 0, redistest.Options{Engine: engine})
			for name, back := range map[string]int{"source": 0, "target": 1} {
				c.Servers[back].Kill()
				c.Servers[back].Restart(t)
				slots := c.Owned(t, 0).Take(100)
				o := classic
				o.Budget = 20 * time.Second
				moves := []redis.SlotMove{{From: c.End(t, 0), To: c.End(t, 1), Slots: slots}}
				_, err := c.Clients.MoveSlots(t.Context(), moves, o)
				info, failed := c.Clients.Observe(t.Context(), c.Servers[back].Endpoint())
				if err != nil || failed != nil || !info.StateOK {
					t.Errorf("%s: %v, %v, serves: %v", name, err, failed, info != nil && info.StateOK)
				}
			}
			c.Whole(t)
		})
	}
}
