package redis_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// TestForm forms a cluster of 3+3 on every engine of this machine, and says how long it took.
func TestForm(t *testing.T) {
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			var took []time.Duration
			for range 3 {
				servers := redistest.StartMany(t, 6, redistest.Options{Engine: engine})
				start := time.Now()
				c := redistest.Join(t, servers, 3)
				took = append(took, time.Since(start).Round(time.Millisecond))
				for i, o := range c.Clients.ObserveAll(t.Context(), c.Endpoints()) {
					if o.Err != nil || o.Info.Version != engine.Version {
						t.Errorf("server %d: %v, version %q, want %q", i, o.Err, o.Info.Version, engine.Version)
					}
				}
			}
			slices.Sort(took)
			t.Log(fmt.Sprint(engine.Version, ": formed in ", took))
		})
	}
}
