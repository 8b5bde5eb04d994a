//go:build e2e

package e2e

import (
	"context"
	"fmt"

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
