package redis_test

import (
	"errors"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// A node that has none, although it was started just now, writes one snapshot, and one that has one writes none.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			server := redistest.StartMany(t, 1, redistest.Options{Engine: engine})[0]
			clients := newClients(t, redis.Dialer{})
			for range 2 {
				redistest.Eventually(t, 10*time.Second, func() error {
					done, err := clients.Snapshot(t.Context(), server.Endpoint())
					if err == nil && !done {
						return errors.New("it has no snapshot")
					}
					return err
				})
				if n := calls(t, server, "bgsave"); n != "1" {
					t.Errorf("asked to save %s times", n)
				}
			}
		})
	}
}
