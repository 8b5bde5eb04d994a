package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redisoperator/redis-operator/test/e2e/witness"
)

// Result is what one fault came to.
type Result struct {
	Draw Draw
	// Gap is the longest that a writer waited for OK, WaitGap for a replica too.
	Gap, WaitGap time.Duration
	// Refused is what writers were answered with meanwhile.
	Refused witness.Refusals
	// Whole is how long after it began all was whole again; 0: the next fault did not wait for that.
	Whole time.Duration
	// Lost and LostWaiting are acknowledged writes that are not there, of writers that do not wait for a replica, and of
	// those that do.
	Lost, LostWaiting int
	// Wrong is what must not be.
	Wrong []error
}

// Suffer has one fault happen.
func (w *World) Suffer(ctx context.Context, d Draw) Result {
	r := Result{Draw: d}
	k, known := kind(d.Kind)
	if !known {
		r.Wrong = append(r.Wrong, fmt.Errorf("there is no kind of fault named %q", d.Kind))
		return r
	}
	pause(ctx, d.Rest)
	w.allow(d.Hold + k.Bound)
	w.costs += k.Costs
	if d.AtOnce && k.Parts {
		w.costs += d.Hold // the next fault may take the primary before its replica has got what it lacks
	}
	before := w.Refusals()
	w.Plain.Gap()
	w.Waiting.Gap()
	begin := time.Now()
	if err := w.breakAndMend(ctx, k, d); err != nil {
		r.Wrong = append(r.Wrong, fmt.Errorf("%s: %w", d.Kind, err))
	}
	if !d.AtOnce {
		err := w.AwaitWhole(ctx, k.Bound)
		r.Whole = time.Since(begin)
		if err == nil {
			err = w.inspect(ctx)
		}
		if err != nil {
			r.Wrong = append(r.Wrong, fmt.Errorf("%s: %w", d.Kind, err))
		}
		w.allowed = 0
		w.Observer.Allow(restGrace)
	}
	r.Gap, r.WaitGap = w.Plain.Gap().Length, w.Waiting.Gap().Length
	r.Refused = w.Refusals().Minus(before)
	if !d.AtOnce {
		r = r.count(ctx, w, k)
	}
	return r
}

// allow adds to what is allowed already, when the last fault has not healed.
func (w *World) allow(d time.Duration) {
	w.allowed += d
	w.Observer.Allow(w.allowed + restGrace)
}

// breakAndMend holds what was broken for as long as was drawn, and mends it whatever happens.
func (w *World) breakAndMend(ctx context.Context, k Kind, d Draw) error {
	back, err := k.inject(ctx, w, d)
	if err == nil {
		pause(ctx, d.Hold)
	}
	if back == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	return errors.Join(err, back(ctx))
}

// wholeFor is how long all must have been whole: what has just been broken may not show yet.
const wholeFor = 1500 * time.Millisecond

// AwaitWhole waits until the observer sees every node whole, the operator says so too, and every shard's replica
// acknowledges what is written: a link that is up may be dead.
func (w *World) AwaitWhole(ctx context.Context, within time.Duration) error {
	since := time.Now()
	return await(ctx, within, "whole again", func(ctx context.Context) error {
		err := w.Observer.Last().Whole(Pods)
		if err == nil {
			err = w.Cluster.IsReady(ctx)
		}
		if err == nil {
			err = served(w.Waiting)
		}
		if err != nil {
			since = time.Now()
			return err
		}
		if time.Since(since) < wholeFor {
			return fmt.Errorf("only for %s", time.Since(since))
		}
		return nil
	})
}

// Served is nil when every shard's writer has just had a write acknowledged.
func (w *World) Served(context.Context) error { return served(w.Plain) }

func served(writers *witness.Traffic) error {
	if silence := writers.Silence(); silence > servedWithin {
		return fmt.Errorf("a writer has waited for %s", silence.Round(time.Millisecond))
	}
	return nil
}

const servedWithin = 500 * time.Millisecond

// Allow lets what a fault takes from a cluster be away for so long, for those who break something themselves.
func (w *World) Allow(d time.Duration) { w.Observer.Allow(d) }

// Refusals are those of all writers.
func (w *World) Refusals() witness.Refusals {
	all := w.Plain.Refusals()
	for word, n := range w.Waiting.Refusals() {
		all[word] += n
	}
	return all
}

// count reads back what was written since it was counted last, and holds it against I3.
func (r Result) count(ctx context.Context, w *World, k Kind) Result {
	plain, err := w.Plain.LostSince(ctx)
	waiting, alsoErr := w.Waiting.LostSince(ctx)
	if err = errors.Join(err, alsoErr); err != nil {
		r.Wrong = append(r.Wrong, fmt.Errorf("%s: read back what was written: %w", k.Name, err))
	}
	most := int(w.costs.Seconds()) * w.load.Plain * Shards
	w.costs = 0
	for _, l := range plain {
		w.charged[l.Key] = true
	}
	return r.charge(plain, waiting, most)
}

// charge notes what was lost, and what of it must not be: anything that a replica had acknowledged, and more than so many
// writes of those who do not wait for one.
func (r Result) charge(plain, waiting []witness.LostWriteError, most int) Result {
	r.Lost, r.LostWaiting = len(plain), len(waiting)
	if r.LostWaiting > 0 {
		r.Wrong = append(r.Wrong, fmt.Errorf("I3: %s: %d writes that a replica had acknowledged are lost: %w",
			r.Draw.Kind, r.LostWaiting, waiting[0]))
	}
	if r.Lost > most {
		r.Wrong = append(r.Wrong, fmt.Errorf("I3: %s: %d acknowledged writes are lost, at most %d may be: %w",
			r.Draw.Kind, r.Lost, most, plain[0]))
	}
	return r
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
