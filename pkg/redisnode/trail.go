package redisnode

import (
	"slices"
	"time"
)

const (
	// behindAfter is how old what a copy lacks may be: replication is behind by less on any machine that serves, and a
	// copy whose connection is dead, or that is slow, by more.
	behindAfter = time.Second
	// trailStep is how far apart the marks of a trail are at least.
	trailStep = 200 * time.Millisecond
)

// trail is how far a stream of writes was, now and shortly before: what lacks more than was written lately is behind.
// The zero value is none.
type trail struct{ marks []trailMark }

type trailMark struct {
	at     time.Time
	offset int64
}

// see notes how far the stream is in a look at a redis that answers. One that has gone back is another stream.
func (t *trail) see(at time.Time, offset int64) {
	marks := t.marks
	if n := len(marks); n > 0 && offset < marks[n-1].offset {
		marks = nil
	}
	if n := len(marks); n > 1 && marks[n-1].at.Sub(marks[n-2].at) < trailStep {
		marks = marks[:n-1] // the last one moves on
	}
	marks = append(marks, trailMark{at, offset})
	for len(marks) > 1 && at.Sub(marks[1].at) >= behindAfter {
		marks = slices.Delete(marks, 0, 1)
	}
	t.marks = marks
}

// last is how far it was at the last look; 0: there was none.
func (t *trail) last() int64 {
	if len(t.marks) == 0 {
		return 0
	}
	return t.marks[len(t.marks)-1].offset
}

// due is what everybody who follows has by now: how far it was behindAfter before the last look; 0 when nobody knows.
func (t *trail) due() int64 {
	if len(t.marks) == 0 || t.marks[len(t.marks)-1].at.Sub(t.marks[0].at) < behindAfter {
		return 0
	}
	return t.marks[0].offset
}
