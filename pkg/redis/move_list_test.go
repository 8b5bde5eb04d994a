package redis

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestCarrier_AsksInTurn has a source rest: where latency counts it is asked for no keys, sizes or counts before it has.
// Nobody is there to ask, so that to ask is to fail.
func TestCarrier_AsksInTurn(t *testing.T) {
	t.Parallel()
	latency := MoveOptions{Profile: ProfileLatency}.withDefaults()
	works := func() []*slotWork {
		return []*slotWork{{slot: 1, keys: keyList{raw: []byte("$1\r\na\r\n"), ends: []int{7}}}}
	}
	for name, ask := range map[string]func(context.Context, *carrier) error{
		"keys":  func(ctx context.Context, c *carrier) error { return c.list(ctx, nil, works()) },
		"sizes": func(ctx context.Context, c *carrier) error { return c.weighAll(ctx, nil, works()) },
		"counts": func(ctx context.Context, c *carrier) error {
			_, err := c.unfinished(ctx, works())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &carrier{from: &moveNode{}, pace: newPace(latency), options: latency, wires: []*wire{nil}}
			c.pace.gate.free = timeNow().Add(time.Hour)
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			if err := safely(func() error { return ask(ctx, c) })(); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a source that rests is asked: %v", err)
			}
		})
	}
}

func TestPace_Aside(t *testing.T) {
	t.Parallel()
	p, said := newPace(MoveOptions{Profile: ProfileLatency}.withDefaults()), errors.New("no")
	begun := timeNow()
	err := p.aside(t.Context(), func() error {
		if len(p.gate.places) != cap(p.gate.places) {
			t.Error("a batch may be sent meanwhile")
		}
		return said
	})
	if !errors.Is(err, said) {
		t.Errorf("what went wrong is kept back: %v", err)
	}
	if !p.gate.free.After(begun.Add(-catchUp)) || len(p.gate.places) > 0 {
		t.Errorf("nobody may go on, or at once: free at %s of %s", p.gate.free, begun)
	}
	p = newPace(MoveOptions{Profile: ProfileThroughput}.withDefaults())
	for range cap(p.gate.places) {
		if !p.gate.enter(t.Context()) {
			t.Fatal("where throughput counts a batch has to wait")
		}
	}
	asked := false
	if err := p.aside(t.Context(), func() error { asked = true; return nil }); err != nil || !asked {
		t.Errorf("where throughput counts a question waits for batches: %v", err)
	}
}
