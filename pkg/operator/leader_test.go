package operator

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/leaderelection"
)

// A container that starts again in the same pod works at once, though the one before it left the Lease to run out; one
// in another pod waits until it has.
func TestFault16_SamePodGoesOnWithItsLease(t *testing.T) {
	for pod, atOnce := range map[string]bool{"op-1": true, "op-2": false} {
		t.Setenv("POD_NAME", "op-1")
		t.Setenv("POD_UID", "4d2e")
		left, err := identity()
		if err != nil {
			t.Fatal(err)
		}
		now := metav1.NowMicro()
		client := fake.NewClientset(&coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Namespace: "op", Name: leaseName},
			Spec: coordinationv1.LeaseSpec{
				HolderIdentity: &left, LeaseDurationSeconds: new(int32(leaseDuration.Seconds())),
				AcquireTime: &now, RenewTime: &now,
			},
		})
		t.Setenv("POD_NAME", pod)
		ctx, cancel := context.WithTimeout(t.Context(), leaseDuration/3)
		worked := false
		err = lead(ctx, client, "op", leaderelection.NewLeaderHealthzAdaptor(time.Minute), func(context.Context) error {
			worked = true
			cancel()
			return nil
		})
		if cancel(); err != nil || worked != atOnce {
			t.Errorf("%s: worked %v, error %v", pod, worked, err)
		}
	}
}

// Outside of Kubernetes each process is one of its own, on whatever machine.
func TestIdentity(t *testing.T) {
	t.Setenv("POD_NAME", "op-1")
	t.Setenv("POD_UID", "")
	a, err := identity()
	b, alsoErr := identity()
	if err != nil || alsoErr != nil || a == b {
		t.Errorf("%q and %q, errors %v, %v", a, b, err, alsoErr)
	}
}

// Who cannot renew its Lease stops before another may begin, whatever it is at.
func TestFault16_LostLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		var away atomic.Pointer[time.Time] // since when
		client.PrependReactor("*", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
			return away.Load() != nil, nil, apierrors.NewTimeoutError("away", 1)
		})
		release := make(chan struct{})
		defer close(release)
		err := lead(t.Context(), client, "op", leaderelection.NewLeaderHealthzAdaptor(time.Minute), func(context.Context) error {
			away.Store(new(time.Now()))
			<-release // work that does not end by itself
			return nil
		})
		if after := time.Since(*away.Load()); !errors.Is(err, ErrLostLease) || after > leaseDuration-retryPeriod {
			t.Errorf("%v, %s after the API server had gone", err, after)
		}
	})
}
