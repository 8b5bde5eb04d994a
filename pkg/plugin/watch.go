package plugin

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
)

// screen is what was printed last.
type screen struct {
	text  string
	inUse bool
}

// showChanges prints again whenever something that is printed has changed, until ctx ends.
func (c *command) showChanges(ctx context.Context, clients Clients, name string) error {
	options := metav1.ListOptions{}
	if name != "" {
		options.FieldSelector = fields.OneTermEqualSelector("metadata.name", name).String()
	}
	s := &screen{}
	for ctx.Err() == nil {
		// Opened before the look, so that no change falls between. The API server ends it every few minutes.
		watcher, err := clients.Redis.RedisoperatorV1().RedisClusters(clients.Namespace).Watch(ctx, options)
		if apierrors.IsNotFound(err) {
			return ErrNoAPI
		}
		if err != nil {
			return fmt.Errorf("watch RedisClusters: %w", err)
		}
		err = c.showUntilClosed(ctx, clients, name, s, watcher)
		watcher.Stop()
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *command) showUntilClosed(
	ctx context.Context, clients Clients, name string, s *screen, watcher watch.Interface,
) error {
	for {
		text, err := c.text(ctx, clients, name)
		if err != nil {
			return unlessDone(ctx, err)
		}
		if err := c.printChange(clients, s, text); err != nil {
			return err
		}
		if !nextChange(ctx, watcher) {
			return nil
		}
	}
}

// unlessDone is the error, but for one that came of the end of ctx: that is how a watch ends.
func unlessDone(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
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
