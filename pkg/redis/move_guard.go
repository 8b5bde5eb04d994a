package redis

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const (
	probeEvery  = 10 * time.Millisecond
	probeWindow = 10 // probes, of which one may be late
	// probeSlow is an answer that clients would notice beside those that a quiet node gives.
	probeSlow = time.Millisecond
	// probeFactor is how much slower than usual answers may become before keys are moved more slowly.
	probeFactor = 4
	// probeWithin is when a probe is given up; the commands of the move find out what is wrong.
	probeWithin = time.Second
)

// guard watches all nodes until what it gives is called: when one of them answers late, the keys that leave it, or come
// to it, do so more slowly.
func (m *mover) guard(ctx context.Context, moves []SlotMove) (stop func()) {
	if m.o.Profile == ProfileThroughput {
		return func() {}
	}
	nodes, paces := map[cluster.NodeID]Endpoint{}, map[cluster.NodeID][]*pace{}
	for _, move := range moves {
		p := m.paces[move.From.ID]
		for _, end := range []MoveEnd{move.From, move.To} {
			nodes[end.ID] = end.Endpoint
			if !slices.Contains(paces[end.ID], p) {
				paces[end.ID] = append(paces[end.ID], p)
			}
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	var group errgroup.Group
	for id, ep := range nodes {
		tell := func(time.Duration) {}
		if own := m.paces[id]; own != nil {
			tell = own.idle
		}
		group.Go(safely(func() error { return m.c.guard(ctx, ep, paces[id], tell) }))
	}
	return func() {
		cancel()
		_ = group.Wait() // nothing of it fails
	}
}

// guard asks the node again and again, tells what an answer takes when it is quiet, and slows the paces down while
// answers are late. It ends with the context, and never fails.
func (c *Clients) guard(ctx context.Context, ep Endpoint, paces []*pace, tell func(time.Duration)) error {
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
		median, late := took[probeWindow/2], took[probeWindow-2]
		if usual == 0 || median < usual {
			usual = median
			tell(usual)
		}
		for _, p := range paces {
			if late > max(probeSlow, probeFactor*usual) {
				p.slower()
			} else {
				p.faster()
			}
		}
	}
}
