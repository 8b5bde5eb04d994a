package plugin

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
)

const (
	// mostFailures in a row of an API server that cannot be reached end a watch: about a minute of them.
	mostFailures = 10
	firstPause   = 250 * time.Millisecond
	longestPause = 10 * time.Second
)

// screen is what was printed last.
type screen struct {
	text  string
	inUse bool
}

// showChanges prints again whenever something that is printed has changed, until ctx ends.
func (c *command) showChanges(ctx context.Context, clients Clients, name string) error {
	s := &screen{}
	return c.eachChange(ctx, clients, name, func(ctx context.Context) (bool, error) {
		text, err := c.text(ctx, clients, name)
		if err != nil {
			return false, err
		}
		return false, c.printChange(clients, s, text)
	})
}

// looker looks at what is there now, and says whether that was enough.
type looker func(ctx context.Context) (enough bool, err error)

// eachChange looks once, and again at each change of the RedisCluster with this name, or of any when there is none. It
// ends when the looker has seen enough, and with ctx. An API server that cannot be reached is tried again for a while.
func (c *command) eachChange(ctx context.Context, clients Clients, name string, see looker) error {
	options := metav1.ListOptions{}
	if name != "" {
		options.FieldSelector = fields.OneTermEqualSelector("metadata.name", name).String()
	}
	failures := 0
	for ctx.Err() == nil {
		enough, looked, err := lookUntilClosed(ctx, clients, options, see)
		if looked {
			failures = 0
		}
		switch {
		case err == nil && enough:
			return nil
		case err == nil:
			c.pause(ctx, firstPause) // the API server ends each watch after a few minutes; another one may do so at once
			continue
		case ctx.Err() != nil, !passing(err), failures == mostFailures:
			return unlessDone(ctx, err)
		}
		c.pause(ctx, min(firstPause<<failures, longestPause))
		failures++
	}
	return nil
}

// unlessDone is the error, but for one that came of the end of ctx: that is how a watch ends.
func unlessDone(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// lookUntilClosed looks at each change until the watch is closed or enough was seen.
func lookUntilClosed(
	ctx context.Context, clients Clients, options metav1.ListOptions, see looker,
) (enough, looked bool, err error) {
	// Opened before the look, so that no change falls between.
	watcher, err := clients.Redis.RedisoperatorV1().RedisClusters(clients.Namespace).Watch(ctx, options)
	if apierrors.IsNotFound(err) {
		return false, false, ErrNoAPI
	}
	if err != nil {
		return false, false, fmt.Errorf("watch RedisClusters: %w", err)
	}
	defer watcher.Stop()
	for {
		enough, err = see(ctx)
		if enough || err != nil {
			return enough, looked, err
		}
		looked = true
		if !nextChange(ctx, watcher) {
			return false, looked, nil
		}
	}
}

// passing says of an error that it may be gone a little later: the API server restarts, or the network is away.
func passing(err error) bool {
	return apierrors.IsServerTimeout(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsTimeout(err) || apierrors.IsInternalError(err) || utilnet.IsConnectionRefused(err) ||
		utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) || utilnet.IsTimeout(err)
}

// pauseFor waits, or until ctx ends.
func pauseFor(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// nextChange waits for an event, and takes all that came with it. It is false when there will be none.
func nextChange(ctx context.Context, watcher watch.Interface) bool {
	select {
	case _, open := <-watcher.ResultChan():
		for open {
			select {
			case _, open = <-watcher.ResultChan():
			default:
				return true
			}
		}
		return false
	case <-ctx.Done():
		return false
	}
}

// printChange prints a text that differs from the one before.
func (c *command) printChange(clients Clients, s *screen, text string) error {
	if s.inUse && text == s.text {
		return nil
	}
	blank := s.inUse && s.text != ""
	s.text, s.inUse = text, true
	switch {
	case text == "":
		return c.printEmpty(clients)
	case blank:
		return c.print("\n" + text)
	default:
		return c.print(text)
	}
}
