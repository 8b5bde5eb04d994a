//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

// The images are made by the lab from Debian's packages: unmodified servers.
var engines = []struct{ name, repository, tag string }{
	{"redis-7-0", "redis", "7.0"},
	{"redis-8-0", "redis", "8.0"},
	{"redis-8-6", "redis", "8.6"},
	{"valkey-8-1", "valkey", "8.1"},
	{"valkey-9-1", "valkey", "9.1"},
}

// TestEngines brings up 3+3 of every engine with volumes, then deletes all pods at once: the cluster must
// come back by itself, with the same nodes and every key (FAULTS 25).
//
//nolint:tparallel // beside each other, but not beside the tests that count what an idle operator does
func TestEngines(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			t.Parallel()
			ns := env.Namespace(t, "e2e-"+engine.name)
			c := env.InstallCluster(t, ns, "demo",
				"image.repository="+engine.repository, "image.tag="+engine.tag, "image.pullPolicy=Never",
				"numberOfMaster=3", "replicationFactor=1",
				"storage.type=PersistentVolumeClaim", "storage.size=64Mi", "storage.retention=Delete")
			start := time.Now()
			c.WaitReady(t, 2*time.Minute)
			t.Logf("%s: Ready after %s", engine.name, time.Since(start).Round(100*time.Millisecond))
			if err := c.Whole(t.Context()); err != nil {
				t.Fatalf("Ready, but not whole: %v", err)
			}
			before, err := c.Get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			const keys = 2000
			c.Write(t, keys)

			if err = env.Kube.CoreV1().Pods(ns).DeleteCollection(t.Context(), metav1.DeleteOptions{},
				metav1.ListOptions{LabelSelector: redisv1.LabelCluster + "=demo"}); err != nil {
				t.Fatal(err)
			}
			framework.Eventually(t, 2*time.Minute, "all pods are new", newPods(c, before))
			c.WaitReady(t, 2*time.Minute)
			framework.Eventually(t, 30*time.Second, "the cluster is whole again", c.Whole)
			if err = c.Verify(t.Context(), c.Client(t), keys); err != nil {
				t.Errorf("keys after all pods were deleted at once: %v", err)
			}
			after, err := c.Get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got, want := nodeIDs(after), nodeIDs(before); got != want {
				t.Errorf("node IDs have changed from %s to %s", want, got)
			}
		})
	}
}

func nodeIDs(rc *redisv1.RedisCluster) string {
	var ids []string
	for _, n := range rc.Status.Nodes {
		ids = append(ids, n.PodName+"="+n.ID)
	}
	return strings.Join(ids, " ")
}
