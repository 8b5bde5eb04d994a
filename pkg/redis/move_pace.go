package redis

import (
	"context"
	"slices"
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
	latencyBatch = 250 * time.Microsecond
	// throughputBatch is the default of MoveOptions.MaxBatch.
	throughputBatch = 5 * time.Millisecond
	// latencyDuty is the part of its time that a node gives to batches at most when latency counts.
	latencyDuty = 1.0 / 2
	// lowestShare is how far the guard takes batches down, and lowestDuty how far it takes the duty down. A machine that
	// is too slow for other reasons does not get better by moving nothing.
	lowestShare = 1.0 / 4
	lowestDuty  = 1.0 / 4
	// firstKeys is the size of the first batch, of which nothing is known yet. Batches of small keys do not become
	// smaller: most of what one key takes is that processes wake each other.
	firstKeys = 16
	// loneKeys is the same where one node gives alone, as when a shard leaves. Nobody shares the work with it, and few
	// clients have to wait for it: its slots are the lesser part of all, and become fewer. Batches twice as large take
	// half as long again.
	loneKeys = 2 * firstKeys
	// shortestRest is what a timer can do.
	shortestRest = time.Millisecond
	// longestRest bounds what one batch that took very long can cost in waiting.
	longestRest = 20 * time.Millisecond
)

// smallest is the cost of the smallest batch, and smallestLone that of a node that gives alone.
var smallest, smallestLone = cost(1, firstKeys, 0), cost(1, loneKeys, 0)

// cost is what a batch is foreseen to take.
func cost(commands, keys int, bytes int64) time.Duration {
	return time.Duration(commands)*commandCost + time.Duration(keys)*keyCost + time.Duration(float64(bytes)*byteCost)
}

// door lets as many in at the same time as it has places. A nil one lets everybody in.
type door chan struct{}

// enter waits for a place. It says no when the context has ended.
func (d door) enter(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	if d == nil {
		return true
	}
	select {
	case <-ctx.Done():
		return false
	case d <- struct{}{}:
		return true
	}
}

func (d door) leave() {
	if d != nil {
		<-d
	}
}

// pace sizes the batches of keys that leave one node, by the time that they take. One node has one pace, however many
// others its keys go to.
type pace struct {
	gate   door          // as many batches as may be under way at the same time
	owed   time.Duration // of rest; whoever is in the gate has it: nobody rests where two may be
	target time.Duration // of one batch, when nothing is wrong

	mu     sync.Mutex
	duty   float64       // of the node's time, when nothing is wrong; 1: no rests
	least  time.Duration // of one batch, when nothing is wrong
	share  float64       // what the guard leaves of both
	ratios []float64     // measured over foreseen, of the last batches
	ping   time.Duration // what an answer takes that is no work
	grown  time.Duration // as far as the foreseen time of a batch has grown: it doubles at most
	ended  time.Time     // the batch before
}

// remembered is how many batches are looked back at. A third of them has to be slow to make batches small: on a busy
// machine some are, whatever their size.
const remembered = 9

// newPace is the pace of one node.
func newPace(o MoveOptions) *pace {
	p := &pace{
		gate: make(door, 2), least: smallest, target: o.MaxBatch, duty: 1,
		share: 1, grown: smallest,
	}
	if o.Profile != ProfileThroughput {
		p.gate, p.target, p.duty = make(door, 1), min(o.MaxBatch, latencyBatch), latencyDuty
	}
	return p
}

// alone makes it the pace of a node that is the only one to give. It may be told so again.
func (p *pace) alone() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.least, p.grown = smallestLone, max(p.grown, smallestLone)
}

// leave lets the next batch go, after a rest. Rests are taken together: a timer is up to a millisecond late, which is
// longer than most of them, and what it was late is taken off the next ones.
func (p *pace) leave(ctx context.Context, rest time.Duration) {
	defer p.gate.leave()
	if rest <= 0 {
		return
	}
	if p.owed += rest; p.owed >= shortestRest {
		begun := timeNow()
		pause(ctx, p.owed)
		p.owed = max(-longestRest, p.owed-timeNow().Sub(begun))
	}
}

// allowed is the foreseen time that the next batch may have.
func (p *pace) allowed() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	least := max(smallest, time.Duration(float64(p.least)*p.share))
	return min(p.grown, max(least, time.Duration(float64(p.target)*p.share/p.factor())))
}

// factor is measured over foreseen, of most batches.
func (p *pace) factor() float64 {
	if len(p.ratios) == 0 {
		return 1
	}
	sorted := slices.Sorted(slices.Values(p.ratios))
	return sorted[len(sorted)/3]
}

// observe learns from a batch, and gives the rest that has to follow it. Two that are under way are worked on one
// after the other: the second has only had the node since the first one's end.
func (p *pace) observe(foreseen time.Duration, sent, done time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if sent.Before(p.ended) {
		sent = p.ended
	}
	took := done.Sub(sent)
	took -= min(p.ping, took/2)
	p.ended = done
	p.ratios = append(p.ratios[max(0, len(p.ratios)-remembered+1):], float64(took)/float64(foreseen))
	switch {
	case took > 4*p.target:
		p.grown = max(p.grown/2, smallest)
	case 2*foreseen >= p.grown:
		p.grown = 2 * foreseen
	}
	if p.duty >= 1 {
		return 0
	}
	// What most batches of this size take: on a busy machine this one may have been waiting for others.
	usual := min(float64(took), float64(foreseen)*p.factor())
	return min(longestRest, time.Duration(usual*(1/max(p.duty*p.share, lowestDuty)-1)))
}

// idle says what an answer of the node takes that costs it nothing.
func (p *pace) idle(ping time.Duration) {
	p.mu.Lock()
	p.ping = ping
	p.mu.Unlock()
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
