package controller

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
)

// atOnce bounds the pods or nodes that one step works on at the same time.
const atOnce = 32

// each does one thing to all items, some at the same time, and returns every error.
func each[T any](ctx context.Context, items []T, do func(context.Context, T) error) error {
	errs := make([]error, len(items))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, item := range items {
		group.Go(func() error {
			errs[i] = safely(func() error { return do(ctx, item) })
			return nil
		})
	}
	_ = group.Wait() // every error is in errs
	failed := slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(failed) == 0 {
		return nil
	}
	// The first is what a person reads: a fault, if there is one beside those that only ask for another look.
	slices.SortStableFunc(failed, func(a, b error) int { return rank(a) - rank(b) })
	return failures(failed)
}

func rank(err error) int {
	if outdated(err) {
		return 1
	}
	return 0
}

// failures are the errors of one step. They read as the first and a number: what is wrong with one pod of a
// cluster is mostly wrong with all, and a person needs it once.
type failures []error

// Error implements error.
func (f failures) Error() string {
	if len(f) == 1 {
		return f[0].Error()
	}
	return fmt.Sprintf("%v (and %d more like it)", f[0], len(f)-1)
}

// Unwrap gives errors.Is and errors.As every one of them.
func (f failures) Unwrap() []error { return f }
