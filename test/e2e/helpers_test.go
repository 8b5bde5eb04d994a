//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"time"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

// newPods is nil when no pod of the status that was seen before runs any more, and as many run as did.
func newPods(c *framework.Cluster, before *redisv1.RedisCluster) func(context.Context) error {
	old := map[string]bool{}
	for _, n := range before.Status.Nodes {
		old[n.IP] = true
	}
	return func(ctx context.Context) error {
		pods, err := c.Pods(ctx)
		if err != nil {
			return err
		}
		for _, p := range pods {
			if p.Status.PodIP == "" || old[p.Status.PodIP] || p.DeletionTimestamp != nil {
				return fmt.Errorf("pod %s is at %q", p.Name, p.Status.PodIP)
			}
		}
		if len(pods) != len(before.Status.Nodes) {
			return fmt.Errorf("%d pods of %d", len(pods), len(before.Status.Nodes))
		}
		return nil
	}
}

// quietFor is nil once no object of the namespace has changed for this long.
func quietFor(ns string, quiet time.Duration) func(context.Context) error {
	var last string
	var since time.Time
	return func(ctx context.Context) error {
		out, err := env.Run(ctx, framework.Tool("kubectl"), "get", "--namespace", ns, "-o",
			"jsonpath={.items[*].metadata.resourceVersion}",
			"redisclusters,pods,services,configmaps,secrets,persistentvolumeclaims,poddisruptionbudgets,events")
		if err != nil {
			return err
		}
		if out != last {
			last, since = out, time.Now()
		}
		if time.Since(since) < quiet {
			return fmt.Errorf("something has changed %s ago", time.Since(since))
		}
		return nil
	}
}
