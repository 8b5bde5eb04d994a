//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

// TestTroubleIsAConditionAndHeals makes what only shows after the API server has accepted it: the condition
// must say what is wrong in the pod's own words, and correcting the RedisCluster must heal it.
func TestTroubleIsAConditionAndHeals(t *testing.T) {
	cases := map[string]struct {
		set   []string
		want  string
		patch string
	}{
		"image": {
			set:   []string{"image.tag=no-such-tag"},
			want:  "no-such-tag",
			patch: `[{"op":"replace","path":"/spec/podTemplate/spec/containers/0/image","value":"redis:8.0"}]`,
		},
		"unschedulable": {
			set:   []string{"nodeSelector.no-such-label=x"},
			want:  "Unschedulable",
			patch: `[{"op":"remove","path":"/spec/podTemplate/spec/nodeSelector"}]`,
		},
		"storage-class": {
			set: []string{
				"storage.type=PersistentVolumeClaim", "storage.size=64Mi", "storage.retention=Delete",
				"storage.storageClassName=no-such-class",
			},
			want:  "no-such-class",
			patch: `[{"op":"replace","path":"/spec/storage/storageClassName","value":"standard"}]`,
		},
		"directive": {
			set:   []string{"config.maxmemory=1gx"},
			want:  "1gx",
			patch: `[{"op":"replace","path":"/spec/config/maxmemory","value":"64mb"}]`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ns := env.Namespace(t, "e2e-trouble-"+name)
			set := append([]string{"image.repository=redis", "image.tag=8.0", "image.pullPolicy=Never"}, c.set...)
			cluster := env.InstallCluster(t, ns, "demo", set...)
			framework.Eventually(t, time.Minute, "Degraded names the trouble", func(ctx context.Context) error {
				degraded, err := cluster.Condition(ctx, redisv1.ConditionDegraded)
				if err != nil {
					return err
				}
				if degraded.Status != metav1.ConditionTrue || degraded.Reason != redisv1.ReasonPodFailing ||
					!strings.Contains(degraded.Message, c.want) {
					return fmt.Errorf("Degraded=%s %s: %s", degraded.Status, degraded.Reason, degraded.Message)
				}
				return nil
			})
			if _, err := env.Redis.RedisoperatorV1().RedisClusters(ns).Patch(t.Context(), "demo",
				types.JSONPatchType, []byte(c.patch), metav1.PatchOptions{}); err != nil {
				t.Fatal(err)
			}
			cluster.WaitReady(t, 2*time.Minute)
		})
	}
}
