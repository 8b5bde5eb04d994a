package redis

import (
	"context"
	"math"
	"testing"
	"time"
)

func TestRestAfter(t *testing.T) {
	t.Parallel()
	const work = time.Millisecond
	for _, duty := range []float64{turnDuty, latencyDuty, arrivalDuty} {
		rest := restAfter(work, duty)
		if busy := float64(work) / float64(work+rest); math.Abs(busy-duty) > 0.001 {
			t.Errorf("a node gives %.3f of its time, not %.3f", busy, duty)
		}
	}
	if rest := restAfter(time.Second, turnDuty); rest != longestRest {
		t.Errorf("after a turn of a second a node rests for %s, not %s", rest, longestRest)
	}
}

// TestTurnstile_Rest has timers be late: what a rest was too long is taken off the next, as far as clients would not
// notice that two batches follow one another.
func TestTurnstile_Rest(t *testing.T) {
	t.Parallel()
	const work, rest = 200 * time.Microsecond, 150 * time.Microsecond
	for name, test := range map[string]struct{ late, rest time.Duration }{
		"in time":   {rest: rest},
		"a little":  {late: catchUp / 2, rest: rest - catchUp/2},
		"very late": {late: time.Second, rest: rest - catchUp},
	} {
		c, node := newClock(), newTurnstile(1)
		node.free = c.now
		c.pass(test.late)
		begun := c.now
		c.pass(work)
		node.rest(begun, c.now, rest)
		if got := node.free.Sub(c.now); got != test.rest {
			t.Errorf("%s: a node rests for %s, not %s", name, got, test.rest)
		}
	}
}

func TestTurnstile_OneAtATime(t *testing.T) {
	t.Parallel()
	node := newTurnstile(1)
	if !node.enter(t.Context()) {
		t.Fatal("nobody is there, and still one cannot enter")
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if node.enter(impatient) {
		t.Error("a node that is to have one piece of work at a time has two")
	}
	node.leave()
	node.free = timeNow().Add(time.Hour)
	tired, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	if node.enter(tired) {
		t.Error("a node that rests takes work")
	}
	node.free = time.Time{}
	if !node.enter(t.Context()) {
		t.Error("who gave up waiting has kept the place")
	}
}

func TestNap(t *testing.T) {
	t.Parallel()
	for _, wait := range []time.Duration{-time.Second, 0, 300 * time.Microsecond, 5 * time.Millisecond} {
		until := timeNow().Add(wait)
		if !nap(t.Context(), until) {
			t.Errorf("a nap of %s was given up", wait)
		}
		if left := until.Sub(timeNow()); left > 0 {
			t.Errorf("a nap of %s ended %s too early", wait, left)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, wait := range []time.Duration{0, 300 * time.Microsecond, time.Hour} {
		if nap(ended, timeNow().Add(wait)) {
			t.Errorf("a nap of %s goes on though nobody waits for its end", wait)
		}
	}
}
