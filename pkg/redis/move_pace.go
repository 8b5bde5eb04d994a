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
	latencyBatch = 200 * time.Microsecond
	// throughputBatch is the default of MoveOptions.MaxBatch.
	throughputBatch = 5 * time.Millisecond
	// latencyDuty is the part of its time that a node gives to batches at most when latency counts.
	latencyDuty = 0.55
	// arrivalDuty is the same for batches that come to a node, from however many others. It works on a batch for a part
	// of the time that the source does.
	arrivalDuty = 0.85
	// turnDuty is the part of its time that a node gives to windows that change hands. Not only the two ends stand still
	// then for as long as they write a nodes.conf: every node does that hears of it. Where slots have keys, carrying
	// these takes longer than the rest; where they have none, nothing else would keep all slots from changing hands at
	// once.
	turnDuty = 1.0 / 20
	// lowestShare is how far the guard takes batches down, and lowestDuty how far it takes the duty down. A machine that
	// is too slow for other reasons does not get better by moving nothing.
	lowestShare = 1.0 / 4
	lowestDuty  = 1.0 / 4
	// firstKeys is the size of the first batch, of which nothing is known yet. Batches of small keys do not become
	// smaller: most of what one key takes is that processes wake each other.
	firstKeys = 16
	// longestRest bounds what one batch that took very long can cost in waiting.
	longestRest = 20 * time.Millisecond
)

// smallest is the cost of the smallest batch.
var smallest = cost(1, firstKeys, 0)

// cost is what a batch is foreseen to take.
func cost(commands, keys int, bytes int64) time.Duration {
	return time.Duration(commands)*commandCost + time.Duration(keys)*keyCost + time.Duration(float64(bytes)*byteCost)
}

// pace sizes the batches of keys that leave one node, by the time that they take. One node has one pace, however many
// others its keys go to.
type pace struct {
	gate   *turnstile    // as many batches as may be under way at the same time
	target time.Duration // of one batch, when nothing is wrong

	mu     sync.Mutex
	duty   float64       // of the node's time, when nothing is wrong; 1: no rests
	least  time.Duration // of one batch, whatever is wrong
	ease   float64       // what the size of keys leaves of the duty
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
		gate: newTurnstile(2), target: o.MaxBatch, duty: 1, share: 1, least: smallest, ease: 1, grown: smallest,
	}
	if o.Profile != ProfileThroughput {
		p.gate, p.target, p.duty = newTurnstile(1), min(o.MaxBatch, latencyBatch), latencyDuty
	}
	return p
}

// allowed is the foreseen time that the next batch may have.
func (p *pace) allowed() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return min(p.grown, max(p.least, time.Duration(float64(p.target)*p.share/p.factor())))
}

// weigh tells how many bytes a key has, on average. The larger keys are, the less of what a batch takes is that
// processes wake each other: then batches may be smaller, down to a single key, and still go fast enough with longer
// rests. It may be told so again.
func (p *pace) weigh(meanBytes float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	small := float64(keyCost) / float64(cost(0, 1, int64(meanBytes)))
	p.least = time.Duration(float64(smallest) * small)
	p.ease = (1 + small) / 2
}

// factor is measured over foreseen, of most batches.
func (p *pace) factor() float64 {
	if len(p.ratios) == 0 {
		return 1
	}
	sorted := slices.Sorted(slices.Values(p.ratios))
	return sorted[len(sorted)/3]
}

// observe learns from a batch, and gives how long ones like it usually take: on a busy machine this one may have been
// waiting for others. Two that are under way are worked on one after the other: the second has only had the node since
// the first one's end.
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
	return time.Duration(min(float64(took), float64(foreseen)*p.factor()))
}

// rest is how long the source has to rest after so much work, and arrivalRest how long the target has.
func (p *pace) rest(work time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.duty >= 1 {
		return 0
	}
	return restAfter(work, max(p.duty*p.ease*p.share, lowestDuty))
}

func (p *pace) arrivalRest(work time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return restAfter(work, arrivalDuty*p.ease)
}

// restAfter is how long a node rests that gives this part of its time to such work. A machine on which it takes very
// long, because it is busy or its disk is slow, gets no better by waiting.
func restAfter(work time.Duration, duty float64) time.Duration {
	return min(longestRest, time.Duration(float64(work)*(1/duty-1)))
}

// aside has the source do other work than batches, as one of them.
func (p *pace) aside(ctx context.Context, work func() error) error {
	if p.duty >= 1 {
		return work()
	}
	if !p.gate.enter(ctx) {
		return ctx.Err()
	}
	defer p.gate.leave()
	begun := timeNow()
	err := work()
	ended := timeNow()
	p.gate.rest(begun, ended, p.rest(ended.Sub(begun)))
	return err
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
