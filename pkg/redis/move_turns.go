package redis

import (
	"context"
	"time"
)

// turnDuty is the part of its time that a node gives to windows that change hands. Not only the two ends stand still
// then for as long as they write a nodes.conf: every node does that hears of it. Where slots have keys, carrying these
// takes longer than the rest; where they have none, nothing else would keep all slots from changing hands at once.
const turnDuty = 1.0 / 8

// turns has the windows of one node change hands one at a time, whoever the other node is, and lets it rest in between.
type turns struct {
	door door
	free time.Time // the rest is over; whoever is in the door has it
}

func newTurns() *turns { return &turns{door: make(door, 1)} }

// enter waits until it is the caller's turn, and the node has rested. It says no when the context has ended.
func (t *turns) enter(ctx context.Context) bool {
	if !t.door.enter(ctx) {
		return false
	}
	if rest := t.free.Sub(timeNow()); rest > 0 && !pause(ctx, rest) {
		t.door.leave()
		return false
	}
	return true
}

func leaveAll(turns []*turns) {
	for _, t := range turns {
		t.door.leave()
	}
}

// ended notes what a turn took, and so how long the node rests. A machine whose turns take very long because it is
// busy, or its disk slow, gets no better by waiting.
func (t *turns) ended(begun, now time.Time) {
	took := now.Sub(begun)
	t.free = now.Add(min(longestRest, time.Duration(float64(took)*(1/turnDuty-1))))
}
