package redis

import (
	"context"
	"time"
)

// turnstile lets work to a node through, so much at a time, and has the node rest in between. A nil one lets everything
// through at once.
type turnstile struct {
	places chan struct{}
	free   time.Time // the rest is over; whoever is in has it: nobody rests where two may be
}

func newTurnstile(places int) *turnstile { return &turnstile{places: make(chan struct{}, places)} }

// catchUp is how much of what a timer was late is taken off the next rest.
const catchUp = 100 * time.Microsecond

// enter waits for a place, and until the node has rested. It says no when the context has ended.
func (t *turnstile) enter(ctx context.Context) bool {
	if t == nil {
		return ctx.Err() == nil
	}
	select {
	case <-ctx.Done():
		return false
	case t.places <- struct{}{}:
	}
	if !nap(ctx, t.free) {
		t.leave()
		return false
	}
	return true
}

// rest has the node rest after work that took from begun to ended. What the rest before was too long is taken off.
func (t *turnstile) rest(begun, ended time.Time, rest time.Duration) {
	if t == nil || rest <= 0 {
		return
	}
	late := min(catchUp, max(0, begun.Sub(t.free)))
	t.free = ended.Add(rest - late)
}

func (t *turnstile) leave() {
	if t != nil {
		<-t.places
	}
}

func leaveAll(turnstiles []*turnstile) {
	for _, t := range turnstiles {
		t.leave()
	}
}

// nap waits until then, to some tens of microseconds. It says no when the context has ended.
func nap(ctx context.Context, until time.Time) bool {
	for {
		left := until.Sub(timeNow())
		switch {
		case left <= 0:
			return ctx.Err() == nil
		case left >= 2*timerStep:
			if !pause(ctx, left-timerStep) {
				return false
			}
		default:
			snooze(left)
		}
	}
}

// timerStep is how late a timer of Go is at most on a machine that has nothing else to do: what it waits with counts
// in milliseconds.
const timerStep = time.Millisecond
