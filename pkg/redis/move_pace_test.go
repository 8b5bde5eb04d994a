package redis

import (
	"testing"
	"time"
)

// clock is a time that passes only when it is told to.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{now: time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)} }

func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }

// drive has a node work on so many batches, each of which takes as long as is said of what it is foreseen to. It gives
// the longest of the later half, and the part of the time that the node was busy.
func drive(p *pace, batches int, takes func(foreseen time.Duration) time.Duration) (longest time.Duration, busy float64) {
	c := newClock()
	begun, worked := c.now, time.Duration(0)
	for i := range batches {
		foreseen, sent := p.allowed(), c.now
		took := takes(foreseen)
		c.pass(took)
		worked += took
		if i > batches/2 {
			longest = max(longest, took)
		}
		c.pass(p.rest(p.observe(foreseen, sent, c.now)))
	}
	return longest, float64(worked) / float64(c.now.Sub(begun))
}

func TestPace(t *testing.T) {
	t.Parallel()
	times := func(factor float64) func(time.Duration) time.Duration {
		return func(foreseen time.Duration) time.Duration { return time.Duration(factor * float64(foreseen)) }
	}
	latency := MoveOptions{Profile: ProfileLatency}.withDefaults()
	fast := MoveOptions{Profile: ProfileThroughput}.withDefaults()
	for name, test := range map[string]struct {
		options MoveOptions
		takes   func(time.Duration) time.Duration
		slower  bool // the guard has seen late answers
		bytes   int  // of a key
		longest time.Duration
		busy    float64
	}{
		"a node gives a part of its time, in batches of what clients may wait": {
			options: latency, takes: times(1), longest: latencyBatch, busy: latencyDuty,
		},
		"a machine that is faster than foreseen gets larger batches, which take as long": {
			options: latency, takes: times(0.5), longest: latencyBatch, busy: latencyDuty,
		},
		"on a slow machine batches become no smaller than is worth the waking": {
			options: latency, takes: times(4), longest: 4 * smallest, busy: latencyDuty,
		},
		"a node that answers late gives half of that": {
			options: latency, takes: times(0.5), slower: true, longest: latencyBatch / 2, busy: latencyDuty / 2,
		},
		"of large keys a slow machine gets smaller batches, and rests longer": {
			options: latency, takes: times(4), bytes: 1 << 20, longest: latencyBatch, busy: latencyDuty / 2,
		},
		"where throughput counts nobody rests": {
			options: fast, takes: times(1), longest: throughputBatch, busy: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPace(test.options)
			p.weigh(float64(test.bytes))
			if test.slower {
				p.slower()
			}
			longest, busy := drive(p, 400, test.takes)
			if longest > test.longest+test.longest/50 {
				t.Errorf("a batch takes %s, not %s at most", longest, test.longest)
			}
			if busy > test.busy+0.02 || busy < test.busy-0.02 {
				t.Errorf("the node is busy for %.2f of the time, not %.2f", busy, test.busy)
			}
		})
	}
}

func TestPace_OneBatchThatTookLong(t *testing.T) {
	t.Parallel()
	p := newPace(MoveOptions{Profile: ProfileLatency}.withDefaults())
	c := newClock()
	drive(p, 20, func(foreseen time.Duration) time.Duration { return foreseen })
	sent := c.now
	c.pass(3 * time.Second)
	if rest := p.rest(p.observe(smallest, sent, c.now)); rest > longestRest {
		t.Errorf("after one batch of three seconds the node rests for %s", rest)
	}
}

// widths are how wide windows become when a turn takes some time, and some more for each slot.
func widths(w *width, always, each time.Duration) int {
	given := 0
	for range 20 {
		opened := w.slots
		w.turned(given, opened, always+time.Duration(given+opened)*each)
		given = opened
	}
	return w.slots
}

func TestWidth(t *testing.T) {
	t.Parallel()
	const many = 16384 / 3
	for name, test := range map[string]struct {
		keys, bytes  int64
		always, each time.Duration
		slots        int
	}{
		"no keys, and every node waits for its disk":       {always: 30 * time.Millisecond, each: 10 * time.Microsecond, slots: 512},
		"few keys, and every node waits for its disk":      {keys: many, bytes: many << 7, always: 30 * time.Millisecond, slots: 512},
		"some keys in each slot":                           {keys: 61 * many, bytes: 61 * many << 7, always: 30 * time.Millisecond, slots: 64},
		"few, but large":                                   {keys: many, bytes: many << 16, always: 30 * time.Millisecond, slots: 256},
		"a turn takes what its slots take":                 {each: 50 * time.Microsecond, slots: 64},
		"memory for a disk: slots soon are most of a turn": {always: 2400 * time.Microsecond, each: 10 * time.Microsecond, slots: 128},
	} {
		if got := widths(newWidth(many, test.keys, test.bytes), test.always, test.each); got != test.slots {
			t.Errorf("%s: windows of %d slots, not of %d", name, got, test.slots)
		}
	}
}

func TestWidth_LastWindow(t *testing.T) {
	t.Parallel()
	w := newWidth(1000, 0, 0)
	w.turned(0, 64, time.Second)
	w.turned(64, 7, time.Second)
	w.turned(7, 0, time.Second)
	if w.slots != windowSlots {
		t.Errorf("windows of %d slots after turns that say nothing of what a whole one takes", w.slots)
	}
}
