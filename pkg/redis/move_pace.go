package redis

import (
	"context"
	"sync"
	"time"
)

// What a batch costs the node that its keys leave, on a machine of 2026. The measured factor makes it right for this
// machine and these keys; what counts here is the ratios.
const (
	commandCost = 60 * time.Microsecond // one MIGRATE: two processes wake each other
	keyCost     = 7 * time.Microsecond
	byteCost    = 1.5 // nanoseconds, of memory
)

const (
	// latencyBatch is how long clients may be kept waiting by one batch when latency counts.
	latencyBatch = 500 * time.Microsecond
	// throughputBatch is the default of MoveOptions.MaxBatch.
	throughputBatch = 5 * time.Millisecond
	// latencyDuty is the part of its time that a node gives to batches at most when latency counts.
	latencyDuty = 0.5
	// lowestShare is how far the guard takes batches and duty down.
	lowestShare = 1.0 / 16
	// firstKeys is the size of the first batch, of which nothing is known yet.
	firstKeys = 16
	// longestRest bounds what one batch that took very long can cost in waiting.
	longestRest = 20 * time.Millisecond
)

// cost is what a batch is foreseen to take.
func cost(commands, keys int, bytes int64) time.Duration {
	return time.Duration(commands)*commandCost + time.Duration(keys)*keyCost + time.Duration(float64(bytes)*byteCost)
}

// pace sizes the batches of keys that leave one node, by the time that they take. One node has one pace, however many
// others its keys go to.
type pace struct {
	gate   chan struct{} // as many batches as may be under way at the same time
	target time.Duration // of one batch, when nothing is wrong
	duty   float64       // of the node's time, when nothing is wrong; 1: no rests

	mu     sync.Mutex
	share  float64       // what the guard leaves of both
	factor float64       // measured over foreseen
	grown  time.Duration // as far as the foreseen time of a batch has grown: it doubles at most
	ended  time.Time     // the batch before
}

func newPace(o MoveOptions) *pace {
	p := &pace{
		gate: make(chan struct{}, 2), target: o.MaxBatch, duty: 1,
		share: 1, factor: 1, grown: cost(1, firstKeys, 0),
	}
	if o.Profile != ProfileThroughput {
		p.gate, p.target, p.duty = make(chan struct{}, 1), min(o.MaxBatch, latencyBatch), latencyDuty
	}
	return p
}

// enter waits for leave to send a batch. It says no when the context has ended.
func (p *pace) enter(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case p.gate <- struct{}{}:
		return true
	}
}

// leave lets the next batch go, after a rest.
func (p *pace) leave(ctx context.Context, rest time.Duration) {
	if rest > 0 {
		pause(ctx, rest)
	}
	<-p.gate
}

// allowed is the foreseen time that the next batch may have.
func (p *pace) allowed() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return min(p.grown, time.Duration(float64(p.target)*p.share/p.factor))
}

// observe learns from a batch, and gives the rest that has to follow it. Two that are under way are worked on one
// after the other: the second has only had the node since the first one's end.
func (p *pace) observe(foreseen time.Duration, sent, done time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if sent.Before(p.ended) {
		sent = p.ended
	}
	took := max(done.Sub(sent), time.Microsecond)
	p.ended = done
	ratio := float64(took) / float64(foreseen)
	if ratio > p.factor {
		p.factor += (ratio - p.factor) / 2
	} else {
		p.factor += (ratio - p.factor) / 5
	}
	switch {
	case took > 2*p.target:
		p.grown = max(p.grown/2, cost(1, 1, 0))
	case 2*foreseen >= p.grown:
		p.grown = 2 * foreseen
	}
	duty := p.duty * p.share
	if duty >= 1 || p.duty >= 1 {
		return 0
	}
	return min(longestRest, time.Duration(float64(took)*(1/duty-1)))
}

// slower halves what the node is asked for, and faster gives it back little by little.
func (p *pace) slower() { p.scale(1.0 / 2) }

func (p *pace) faster() { p.scale(5.0 / 4) }

func (p *pace) scale(by float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.share = min(1, max(lowestShare, p.share*by))
}

// timeNow is the clock of measuring: how long batches take decides how large the next ones are, and nothing else.
func timeNow() time.Time {
	return time.Now() //nolint:forbidigo // see above: it measures durations
}
