//go:build e2e

package e2e

import (
	"os"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/test/e2e/framework"
	"github.com/redisoperator/redis-operator/test/e2e/witness"
)

const (
	crashes = 5
	// crashGap is far below what Redis takes by itself at the default node-timeout, 18 s, and far above what is
	// expected: `make bench` has the figures.
	crashGap = 3 * time.Second
	// mostLost is what one crash may cost: what the primary had acknowledged and not sent to its replica yet. A client
	// that waits for a replica (WAIT 1) would not lose that either, but there is none until the old primary is back.
	mostLost = 5
)

// TestPrimaryCrashes kills the server of a primary with SIGKILL, one primary after the other. The replica takes over
// by proof of death, and the old primary comes back and follows.
func TestPrimaryCrashes(t *testing.T) {
	if os.Getenv("LAB") == "" {
		t.Skip("the lab kills a container's process; set LAB to its lab.sh")
	}
	ns := env.Namespace(t, "e2e-crash")
	c := env.InstallCluster(t, ns, "demo", "image.repository=redis", "image.tag=8.0", "image.pullPolicy=Never")
	c.WaitReady(t, time.Minute)
	traffic := c.StartTraffic(t, witness.TrafficOptions{Writers: 2, Keys: 1000, Rate: 200})
	observer := c.StartObserver(t, observeGrace)
	for range crashes {
		rc, err := c.Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		victim := firstMaster(t, rc)
		traffic.Lap()
		if _, err := env.Run(t.Context(), os.Getenv("LAB"), "fault", "killc", ns+"/"+victim.PodName, "redis"); err != nil {
			t.Fatal(err)
		}
		framework.Eventually(t, time.Minute, "another is the primary", c.Demoted(victim.ID))
		c.WaitReady(t, time.Minute)
		lap := traffic.Lap()
		t.Logf("%s killed: %s", victim.PodName, lap)
		if lap.Max > crashGap {
			t.Errorf("no write to the slots of %s for %s", victim.PodName, lap.Max)
		}
	}
	if err := traffic.Stop(); err != nil {
		t.Errorf("writers got errors: %v", err)
	}
	if looks, err := observer.Stop(); err != nil {
		t.Errorf("in %d looks: %v", looks, err)
	}
	lost, err := traffic.LostKeys(t.Context())
	if err != nil {
		t.Error(err)
	}
	t.Logf("%d acknowledged writes lost in %d crashes: %v", len(lost), crashes, lost)
	if len(lost) > crashes*mostLost {
		t.Errorf("more acknowledged writes are lost than were on their way")
	}
}
