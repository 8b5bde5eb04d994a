package controller

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/golang/glog"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	"github.com/redisoperator/redis-operator/pkg/objects"
)

const (
	// settle is how long a key rests in the queue after an event: a pod that comes up changes several
	// times within it, and one look sees all of that.
	settle = 50 * time.Millisecond
	// syncTimeout bounds one look, one step that moves no slots, and one report.
	syncTimeout = 30 * time.Second
	// lookAgain is when a look is repeated that was outdated before its step was taken.
	lookAgain  = 100 * time.Millisecond
	minBackoff = 200 * time.Millisecond
	maxBackoff = 30 * time.Second
)

// Config is what a Controller is made of.
type Config struct {
	Stores  []Stores
	Nodes   corelisters.NodeLister
	Pods    PodControl
	Objects ObjectControl
	History RevisionControl
	Secrets SecretControl
	Status  StatusUpdater
	Redis   RedisControl
	Slots   SlotControl
	// Settings is what nodes run with.
	Settings SettingControl
	Agents   ConnectAgents
	Events   Events
	Images   objects.Images
	// ResizesPods says that the API server takes other memory and processors for running pods.
	ResizesPods bool
	Metrics     *Metrics
	Clock       clock.WithTicker
}

// Controller brings every RedisCluster in its stores towards its spec, one step at a time.
type Controller struct {
	Config
	queue   workqueue.TypedRateLimitingInterface[cache.ObjectName]
	agents  *agents
	ledgers *ledgers
}

// New makes a Controller. It does nothing until Run.
func New(config Config) *Controller {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[cache.ObjectName](minBackoff, maxBackoff)
	return &Controller{
		Config: config,
		queue: workqueue.NewTypedRateLimitingQueueWithConfig(limiter,
			workqueue.TypedRateLimitingQueueConfig[cache.ObjectName]{Name: "rediscluster", Clock: config.Clock}),
		agents:  newAgents(config.Agents),
		ledgers: newLedgers(),
	}
}

// Run works with this many workers until ctx ends, and returns when they have finished what they had in
// hand. Every key is with one worker at a time.
func (c *Controller) Run(ctx context.Context, workers int) {
	// What a worker has in hand when ctx ends is a step of seconds: it is finished, not cut.
	work := context.WithoutCancel(ctx)
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for c.processNext(work) {
			}
		})
	}
	<-ctx.Done()
	c.queue.ShutDown()
	running.Wait()
}

// processNext takes one key and syncs it. It is the only place where an error is logged: errors go up to here.
func (c *Controller) processNext(ctx context.Context) bool {
	key, quit := c.queue.Get()
	if quit {
		return false
	}
	defer c.queue.Done(key)

	start := c.Clock.Now()
	requeue, err := c.syncSafely(ctx, key)
	c.Metrics.synced(c.Clock.Since(start), err)
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		c.queue.Forget(key) // The RedisCluster is about to go too; its events bring the key back if not.
		return true
	}
	if err != nil && !outdated(err) {
		glog.Errorf("%s: %v", key, err)
		if _, moving := errors.AsType[*moveError](err); !moving {
			c.queue.AddRateLimited(key)
			return true
		}
	}
	c.queue.Forget(key)
	if outdated(err) {
		glog.V(2).Infof("%s: looking again: %v", key, err)
		requeue = lookAgain
	}
	if requeue > 0 {
		c.queue.AddAfter(key, requeue)
	}
	return true
}

// syncSafely turns a panic over one cluster into an error of that cluster: the others go on.
func (c *Controller) syncSafely(ctx context.Context, key cache.ObjectName) (requeue time.Duration, err error) {
	err = safely(func() (failed error) {
		requeue, failed = c.sync(ctx, key)
		return failed
	})
	return requeue, err
}

// safely turns a panic into an error. Every goroutine of a sync needs it: a panic in one that nobody catches ends the
// operator, and with it the care for every other cluster.
func safely(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			glog.Errorf("panic: %v\n%s", r, debug.Stack()) // the error that goes up has no room for the stack
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return do()
}

// stores are the caches that cover a namespace.
func (c *Controller) stores(namespace string) (Stores, error) {
	for _, s := range c.Stores {
		if s.Namespace == namespace || s.Namespace == "" {
			return s, nil
		}
	}
	return Stores{}, fmt.Errorf("namespace %s is not watched", namespace)
}
