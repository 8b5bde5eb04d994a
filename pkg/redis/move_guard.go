package redis

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	probeEvery  = 10 * time.Millisecond
	probeWindow = 10 // probes
	// probeSlow is an answer that clients would notice beside those that a quiet node gives.
	probeSlow = 3 * time.Millisecond
	// probeFactor is how much slower than usual answers may become before keys are moved more slowly.
	probeFactor = 4
	// probeWithin is when a probe is given up; the commands of the move find out what is wrong.
	probeWithin = time.Second
)

// guarded works while both nodes are watched: when one of them answers late, keys leave more slowly.
func (p *pair) guarded(ctx context.Context, work func(context.Context) error) error {
	if p.o.Profile == ProfileThroughput {
		return work(ctx)
	}
	watch, stop := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(safely(func() error { return p.c.guard(watch, p.from.Endpoint, p.pace, p.pace.idle) }))
	group.Go(safely(func() error { return p.c.guard(watch, p.to.Endpoint, p.pace, func(time.Duration) {}) }))
	err := work(ctx)
	stop()
	_ = group.Wait() // nothing of it fails
	return err
}

// guard asks the node again and again, tells what an answer usually takes, and slows the pace down while answers
// are late. It ends with the context, and never fails.
func (c *Clients) guard(ctx context.Context, ep Endpoint, pace *pace, tell func(time.Duration)) error {
	w := c.newWire(ep)
	defer w.close()
	ping := &packet{}
	ping.add("PING")
	usual := time.Duration(0)
	for {
		var took []time.Duration
		for range probeWindow {
			if !pause(ctx, probeEvery) {
				return nil
			}
			sent := timeNow()
			if _, err := w.exchange(ctx, probeWithin, ping); err != nil {
				ping = &packet{}
				ping.add("PING")
			}
			took = append(took, timeNow().Sub(sent))
		}
		slices.Sort(took)
		median, worst := took[probeWindow/2], took[probeWindow-1]
		if usual == 0 || median < usual {
			usual = median
		}
		tell(median)
		if worst > max(probeSlow, probeFactor*usual) {
			pace.slower()
		} else {
			pace.faster()
		}
	}
}
