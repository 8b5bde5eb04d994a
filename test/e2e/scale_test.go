//go:build e2e

package e2e

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/test/e2e/witness"
)

const (
	restTime  = 10 * time.Second
	scaleTime = 3 * time.Minute
	// observeGrace is what nodes need to hear of a new owner or of a pod that is gone.
	observeGrace = 10 * time.Second
)

// TestScaleUnderTraffic takes a cluster from three masters to five, back, to eight and back, while clients write and
// the operator is killed every few seconds: every key is there afterwards, and the cluster is whole at every stop. One
// engine moves slots key by key, the others whole.
func TestScaleUnderTraffic(t *testing.T) {
	for _, engine := range []struct{ name, repository, tag string }{
		{"redis-8-0", "redis", "8.0"}, {"redis-8-6", "redis", "8.6"}, {"valkey-9-1", "valkey", "9.1"},
	} {
		t.Run(engine.name, func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 0))
			ns := env.Namespace(t, "e2e-scale-"+engine.name)
			c := env.InstallCluster(t, ns, "demo",
				"image.repository="+engine.repository, "image.tag="+engine.tag, "image.pullPolicy=Never")
			c.WaitReady(t, time.Minute)
			const keys = 20000
			c.Write(t, keys)
			traffic := c.StartTraffic(t, witness.TrafficOptions{Writers: 4, Keys: 1000, Rate: 100})
			observer := c.StartObserver(t, observeGrace)
			for _, masters := range []int{5, 3, 8, 3} {
				begin := time.Now()
				c.Scale(t, masters)
				for range 3 {
					// The moment of the next kill is what is random here.
					time.Sleep(time.Duration(1000+random.IntN(3000)) * time.Millisecond)
					killOperator(t)
				}
				c.WaitMasters(t, masters, scaleTime)
				t.Logf("%d masters after %s: %s", masters, time.Since(begin).Round(100*time.Millisecond), traffic.Lap())
			}
			if err := traffic.Stop(); err != nil {
				t.Errorf("writers got errors: %v", err)
			}
			if looks, err := observer.Stop(); err != nil {
				t.Errorf("in %d looks: %v", looks, err)
			}
			if err := c.Witness().StrayKeys(t.Context()); err != nil {
				t.Error(err)
			}
			if err := traffic.Lost(t.Context()); err != nil {
				t.Errorf("acknowledged writes are lost: %v", err)
			}
			if err := c.Verify(t.Context(), c.Client(t), keys); err != nil {
				t.Errorf("keys from before: %v", err)
			}
		})
	}
}

// TestScaleGently scales out and in under a writer that waits for a replica: nothing acknowledged is lost, and no error
// reaches the writer but redirects. What it feels of it is logged; `make bench` has the figures.
func TestScaleGently(t *testing.T) {
	ns := env.Namespace(t, "e2e-scale-gently")
	c := env.InstallCluster(t, ns, "demo", "image.repository=redis", "image.tag=8.0", "image.pullPolicy=Never")
	c.WaitReady(t, time.Minute)
	c.Write(t, 20000)
	traffic := c.StartTraffic(t, witness.TrafficOptions{Writers: 1, Keys: 5000, Rate: 500, Wait: true})
	time.Sleep(restTime) // The time is what the writer is measured in.
	t.Logf("at rest: %s", traffic.Lap())
	for _, masters := range []int{5, 3} {
		c.Scale(t, masters)
		c.WaitMasters(t, masters, scaleTime)
		t.Logf("to %d masters: %s", masters, traffic.Lap())
	}
	if err := traffic.Stop(); err != nil {
		t.Errorf("the writer got errors: %v", err)
	}
	if n := traffic.Broken(); n > 0 {
		t.Errorf("%d connections of the writer broke", n)
	}
	if err := traffic.Lost(t.Context()); err != nil {
		t.Errorf("acknowledged writes are lost: %v", err)
	}
	if err := c.Verify(t.Context(), c.Client(t), 20000); err != nil {
		t.Errorf("keys from before: %v", err)
	}
}
