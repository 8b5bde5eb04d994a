package operator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/golang/glog"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// The times of leader election are those of Kubernetes' own controllers.
const (
	leaseName     = "redis-operator"
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

// ErrLostLease is what Run fails with when the Lease could not be renewed: another operator may be at work by now, and
// what this one has in hand must not be finished. The process has to end, or to start again with nothing in memory.
var ErrLostLease = errors.New("lost the lease " + leaseName + ": another operator may be working")

// identity is who holds the Lease: the pod. A process that starts again in it goes on with the Lease of the one before,
// which has ended, and need not wait until that runs out: one starts again whenever the API server is away for so long
// that it cannot renew its Lease. One in no pod is on its own.
func identity() (string, error) {
	if pod, uid := os.Getenv("POD_NAME"), os.Getenv("POD_UID"); pod != "" && uid != "" {
		return pod + "_" + uid, nil
	}
	host, err := os.Hostname()
	return host + "_" + string(uuid.NewUUID()), err
}

// lead runs work while this process holds the Lease. When ctx ends, the Lease is given back only after
// work has returned, so that the next operator neither waits for it to run out nor works beside this one.
// watchdog tells /healthz of a Lease that cannot be renewed.
func lead(
	ctx context.Context, client kubernetes.Interface, namespace string,
	watchdog *leaderelection.HealthzAdaptor, work func(context.Context) error,
) error {
	name, err := identity()
	if err != nil {
		return fmt.Errorf("leader election: %w", err)
	}
	electing, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	var working atomic.Bool
	stopWaiting := context.AfterFunc(ctx, func() {
		if !working.Load() {
			release()
		}
	})
	defer stopWaiting()
	result := make(chan error, 1)
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: leaseName},
			Client:     client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: name},
		},
		Name:            leaseName,
		LeaseDuration:   leaseDuration,
		RenewDeadline:   renewDeadline,
		RetryPeriod:     retryPeriod,
		ReleaseOnCancel: true,
		WatchDog:        watchdog,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) {
				working.Store(true)
				defer release()
				glog.Info("holding the lease: working")
				result <- work(ctx)
			},
			OnStoppedLeading: func() {},
			OnNewLeader:      func(identity string) { glog.V(2).Infof("the lease is held by %s", identity) },
		},
	})
	if err != nil {
		return fmt.Errorf("leader election: %w", err)
	}
	elector.Run(electing)
	select {
	case err := <-result:
		return err
	default:
	}
	if ctx.Err() == nil || working.Load() {
		return ErrLostLease
	}
	return nil
}
