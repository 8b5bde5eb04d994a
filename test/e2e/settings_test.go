//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

// settingsTime is how long a change that can be set live may take, from apply until every node runs with it.
const settingsTime = 3 * time.Second

// TestSettings changes spec.config of a running cluster: what can be set live is on all nodes within seconds, a typo
// changes nothing and is quoted, and taking all of it back leaves every node as it was. No container restarts.
func TestSettings(t *testing.T) {
	ns := env.Namespace(t, "e2e-settings")
	c := env.InstallCluster(t, ns, "demo", "image.tag=7.0", "image.pullPolicy=Never")
	c.WaitReady(t, 2*time.Minute)
	pods := running(t, c)
	// A new node has a shorter one until its agent has seen that it is in sync.
	framework.Eventually(t, time.Minute, "all nodes have their node-timeout", func(ctx context.Context) error {
		return everyNodeHas(ctx, c, map[string]string{"cluster-node-timeout": "15000"})
	})
	before, err := c.Witness().Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	start := time.Now()
	respec(t, c, `{"maxmemory-policy":"allkeys-lru","maxmemory":"100mb","notify-keyspace-events":"KEA"}`)
	framework.Eventually(t, time.Minute, "all nodes run with it", func(ctx context.Context) error {
		return everyNodeHas(ctx, c, map[string]string{
			"maxmemory-policy": "allkeys-lru", "maxmemory": "104857600", "notify-keyspace-events": "AKE",
		})
	})
	took := time.Since(start)
	t.Logf("on all nodes %s after apply", took.Round(10*time.Millisecond))
	if took > settingsTime {
		t.Errorf("it took %s, and may take %s", took, settingsTime)
	}
	c.WaitReady(t, time.Minute)

	respec(t, c, `{"maxmemory":"1gx"}`)
	framework.Eventually(t, time.Minute, "the server is quoted", stopsAt(c, redisv1.ConditionDegraded,
		redisv1.ReasonSettingRefused, "argument must be a memory value"))
	if err = everyNodeHas(t.Context(), c, map[string]string{"maxmemory": "104857600"}); err != nil {
		t.Error(err)
	}

	respec(t, c, `null`)
	framework.Eventually(t, time.Minute, "all is as it was", func(ctx context.Context) error {
		has, err := c.Witness().Settings(ctx)
		if err != nil {
			return err
		}
		for pod, want := range before {
			if !maps.Equal(has[pod], want) {
				return fmt.Errorf("%s runs with %v, and ran with %v", pod, has[pod], want)
			}
		}
		return c.IsReady(ctx)
	})
	for name, pod := range running(t, c) {
		if pod.UID != pods[name].UID || pod.Status.ContainerStatuses[0].RestartCount > 0 {
			t.Errorf("%s was started again", name)
		}
	}
}

// respec replaces spec.config, as kubectl patch does.
func respec(t *testing.T, c *framework.Cluster, config string) {
	t.Helper()
	// A list of operations, since a merge would keep what is not named.
	patch := fmt.Sprintf(`[{"op":"add","path":"/spec/config","value":%s}]`, config)
	if config == "null" {
		patch = `[{"op":"remove","path":"/spec/config"}]`
	}
	if _, err := c.Run(t.Context(), framework.Tool("kubectl"), "patch", "--namespace", c.Namespace, "rdc/"+c.Name,
		"--type", "json", "--patch", patch); err != nil {
		t.Fatal(err)
	}
}

func everyNodeHas(ctx context.Context, c *framework.Cluster, want map[string]string) error {
	all, err := c.Witness().Settings(ctx)
	if err != nil {
		return err
	}
	for pod, has := range all {
		for name, value := range want {
			if has[name] != value {
				return fmt.Errorf("%s runs with %s %q, want %q", pod, name, has[name], value)
			}
		}
	}
	return nil
}
