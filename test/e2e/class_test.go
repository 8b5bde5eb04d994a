//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/test/e2e/framework"
	"github.com/redisoperator/redis-operator/test/e2e/witness"
)

// classTime is how long it may take to give six pods volumes of another class.
const classTime = 4 * time.Minute

// claims are the UIDs of the cluster's claims, by name. All of them are to be of a class, and bound.
func claims(ctx context.Context, namespace, class string) (map[string]types.UID, error) {
	list, err := env.Kube.CoreV1().PersistentVolumeClaims(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	found := map[string]types.UID{}
	for i := range list.Items {
		claim := &list.Items[i]
		if *claim.Spec.StorageClassName != class || claim.Status.Phase != corev1.ClaimBound || claim.DeletionTimestamp != nil {
			err = errors.Join(err, fmt.Errorf("%s is of class %s and %s", claim.Name, *claim.Spec.StorageClassName, claim.Status.Phase))
		}
		found[claim.Name] = claim.UID
	}
	return found, err
}

// TestStorageClass gives a cluster volumes of another class while clients write: one pod is away at a time, and no write
// that was acknowledged is lost. A class that does not exist stops at the first pod, and setting it back heals.
func TestStorageClass(t *testing.T) {
	ns := env.Namespace(t, "e2e-class")
	install := func(class string) *framework.Cluster {
		return env.InstallCluster(t, ns, "demo", "image.repository=redis", "image.tag=8.0", "image.pullPolicy=Never",
			"storage.type=PersistentVolumeClaim", "storage.size=64Mi", "storage.storageClassName="+class)
	}
	c := install("standard")
	c.WaitReady(t, time.Minute)
	const keys = 2000
	c.Write(t, keys)
	kinds := c.WriteKinds(t)
	before, err := claims(t.Context(), ns, "standard")
	if err != nil || len(before) != 6 {
		t.Fatalf("%d claims: %v", len(before), err)
	}
	traffic := c.StartTraffic(t, witness.TrafficOptions{Writers: 3, Shards: 3, Rate: 200})
	observer := c.StartObserver(t, observeGrace)

	begin := time.Now()
	traffic.Gap()
	install("fast")
	framework.Eventually(t, classTime, "all volumes are of class fast", func(ctx context.Context) error {
		pods, failed := c.Pods(ctx)
		if failed != nil {
			return failed
		}
		away := 6
		for _, pod := range pods {
			if pod.DeletionTimestamp == nil {
				away--
			}
		}
		if away > 1 {
			t.Errorf("%d pods are away", away)
		}
		if _, failed = claims(ctx, ns, "fast"); failed != nil {
			return failed
		}
		return updated(c)(ctx)
	})
	gap := traffic.Gap()
	t.Logf("another class in %s; longest gap of a writer %s; %s; answers beside OK: %s",
		time.Since(begin).Round(100*time.Millisecond), gap, traffic.Lap(), traffic.Refusals())
	if gap.Length > updateGap {
		t.Errorf("a writer had no write acknowledged for %s", gap)
	}
	whole, err := claims(t.Context(), ns, "fast")
	if err != nil || len(whole) != 6 {
		t.Fatalf("%d claims: %v", len(whole), err)
	}

	install("no-such-class")
	framework.Eventually(t, time.Minute, "a class that is not there is named",
		stopsAt(c, redisv1.ConditionDegraded, redisv1.ReasonPodFailing, "of class no-such-class is not bound"))
	install("fast")
	framework.Eventually(t, time.Minute, "setting it back heals", updated(c))
	ends(t, traffic, observer)
	after, err := claims(t.Context(), ns, "fast")
	if err != nil {
		t.Error(err)
	}
	kept := 0
	for name, uid := range after {
		if whole[name] == uid {
			kept++
		}
		if before[name] == uid {
			t.Errorf("%s is the claim of before", name)
		}
	}
	if kept != 5 || len(after) != 6 {
		t.Errorf("%d of %d volumes were left alone, want 5 of 6", kept, len(after))
	}
	if err := errors.Join(c.Verify(t.Context(), c.Client(t), keys), kinds.Verify(t.Context(), c.Client(t))); err != nil {
		t.Errorf("keys from before: %v", err)
	}
}
