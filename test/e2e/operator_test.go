//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

// TestOperatorKilledWhileCreating kills the operator without grace again and again while it makes a
// cluster: the next one goes on from what it finds. pkg/controller has the same after every single write.
func TestOperatorKilledWhileCreating(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	ns := env.Namespace(t, "e2e-operator-killed")
	c := env.InstallCluster(t, ns, "demo", "image.repository=redis", "image.tag=8.0", "image.pullPolicy=Never")
	for range 5 {
		killOperator(t)
		// The moment of the next kill is what is random here.
		time.Sleep(time.Duration(500+random.IntN(2500)) * time.Millisecond)
	}
	c.WaitReady(t, 2*time.Minute)
	if err := c.Whole(t.Context()); err != nil {
		t.Errorf("Ready, but not whole: %v", err)
	}
	pods, err := c.Pods(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(pods) != 6 {
		t.Errorf("%d pods, want 6", len(pods))
	}
}

// killOperator deletes the operator's pods with a grace period of 0, which is SIGKILL.
func killOperator(t *testing.T) {
	t.Helper()
	pods := env.Kube.CoreV1().Pods(framework.OperatorNamespace)
	framework.Eventually(t, time.Minute, "an operator runs", func(ctx context.Context) error {
		list, err := pods.List(ctx, metav1.ListOptions{FieldSelector: "status.phase=Running"})
		if err == nil && len(list.Items) == 0 {
			err = fmt.Errorf("no operator pod runs")
		}
		return err
	})
	if err := pods.DeleteCollection(t.Context(), metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))},
		metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
}
