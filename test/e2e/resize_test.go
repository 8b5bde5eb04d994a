//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/test/e2e/framework"
	"github.com/redisoperator/redis-operator/test/e2e/witness"
)

// TestResize gives a cluster more memory while clients write: every Redis is the same process with more maxmemory. Then
// more than any host has: kubelets say that it is not feasible, the update stops at the first pod that is replaced, and
// setting it back heals, with no other pod replaced.
func TestResize(t *testing.T) {
	ns := env.Namespace(t, "e2e-resize")
	install := func(memory string) *framework.Cluster {
		return env.InstallCluster(t, ns, "demo", "image.tag=7.0", "image.pullPolicy=Never",
			"resources.requests.memory="+memory, "resources.limits.memory="+memory)
	}
	c := install("128Mi")
	c.WaitReady(t, time.Minute)
	pods, ids := running(t, c), runIDs(t, c)
	traffic := c.StartTraffic(t, witness.TrafficOptions{Writers: 3, Shards: 3, Rate: 200})
	observer := c.StartObserver(t, observeGrace)

	begin := time.Now()
	install("192Mi")
	framework.Eventually(t, time.Minute, "all nodes have more memory", has(c, "192Mi"))
	t.Logf("six pods in %s; longest gap of a writer %s", time.Since(begin).Round(100*time.Millisecond), traffic.Gap())
	if now := runIDs(t, c); !maps.Equal(ids, now) {
		t.Errorf("redis was started again: the run IDs were %v, and are %v", ids, now)
	}
	for name, pod := range running(t, c) {
		if pod.UID != pods[name].UID || redisStatus(pod).RestartCount > 0 {
			t.Errorf("%s was replaced, or redis in it was started again", name)
		}
	}

	install("4000Gi")
	framework.Eventually(t, time.Minute, "a pod that is replaced fits nowhere",
		stopsAt(c, redisv1.ConditionDegraded, redisv1.ReasonPodFailing, "nsufficient memory"))
	install("192Mi")
	framework.Eventually(t, time.Minute, "going back heals", has(c, "192Mi"))
	kept := 0
	for name, id := range runIDs(t, c) {
		if ids[name] == id {
			kept++
		}
	}
	if kept != 5 {
		t.Errorf("%d of 6 nodes were not started again, want 5", kept)
	}
	ends(t, traffic, observer)
}

func runIDs(t *testing.T, c *framework.Cluster) map[string]string {
	t.Helper()
	ids, err := c.Witness().RunIDs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// has is nil once the kubelets have given every pod this memory, every node runs with its share, and all is in order.
func has(c *framework.Cluster, memory string) func(context.Context) error {
	all := resource.MustParse(memory)
	return func(ctx context.Context) error {
		if err := updated(c)(ctx); err != nil {
			return err
		}
		pods, err := c.Pods(ctx)
		if err != nil {
			return err
		}
		for _, pod := range pods {
			given := redisStatus(pod).Resources
			if given == nil || given.Limits.Memory().Cmp(all) != 0 {
				return fmt.Errorf("the kubelet has given %s %v", pod.Name, given)
			}
		}
		return everyNodeHas(ctx, c, map[string]string{"maxmemory": strconv.FormatInt(all.Value()/4*3, 10)})
	}
}
