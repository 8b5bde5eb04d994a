//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

// TestDeleteLeavesNothing deletes RedisClusters: nothing stays but the volume claims, and those only when
// spec.storage.retention is Retain.
func TestDeleteLeavesNothing(t *testing.T) {
	for retention, claims := range map[string]int{"Delete": 0, "Retain": 3} {
		t.Run(retention, func(t *testing.T) {
			ns := env.Namespace(t, "e2e-delete-"+strings.ToLower(retention))
			c := env.InstallCluster(t, ns, "demo",
				"image.repository=redis", "image.tag=8.0", "image.pullPolicy=Never", "replicationFactor=0",
				"storage.type=PersistentVolumeClaim", "storage.size=64Mi", "storage.retention="+retention)
			c.WaitReady(t, time.Minute)
			if err := env.Redis.RedisoperatorV1().RedisClusters(ns).
				Delete(t.Context(), "demo", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			framework.Eventually(t, 2*time.Minute, "everything is gone", func(ctx context.Context) error {
				left, err := env.Run(ctx, framework.Tool("kubectl"), "get", "--namespace", ns, "-o", "name",
					"-l", "redisoperator.io/cluster=demo",
					"pods,services,endpointslices,configmaps,secrets,serviceaccounts,poddisruptionbudgets")
				if err != nil {
					return err
				}
				if left = strings.TrimSpace(left); left != "" {
					return fmt.Errorf("left: %s", left)
				}
				list, err := env.Kube.CoreV1().PersistentVolumeClaims(ns).List(ctx, metav1.ListOptions{})
				if err != nil {
					return err
				}
				if len(list.Items) != claims {
					return fmt.Errorf("%d claims, want %d", len(list.Items), claims)
				}
				return nil
			})
		})
	}
}
