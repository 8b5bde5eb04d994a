package controller

import (
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
)

// Roles go back when primaries would vote again: two node-timeouts after any of them has changed, also for an operator
// that was not there when it did.
func TestSeeRoles(t *testing.T) {
	t.Parallel()
	const timeout = 15 * time.Second
	w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true}, 3, 1)
	l, now := &ledger{}, time.Now()
	see := func(after time.Duration, calm bool) {
		t.Helper()
		now = now.Add(after)
		if l.seeRoles(w.View(), timeout, now); l.calm != calm {
			t.Errorf("calm: %v", l.calm)
		}
	}
	see(0, false)
	see(2*timeout, false)
	see(time.Second, true)
	w.Kill("demo-0").Ticks(30)
	see(time.Second, false)
	see(2*timeout, false)
	see(time.Second, true)
}
