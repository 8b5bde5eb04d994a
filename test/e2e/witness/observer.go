package witness

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Observer asks every node of a cluster ten times a second what it believes, and holds that against what must be true
// whatever happens.
type Observer struct {
	roster *roster
	stop   context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	looks    int
	last     Look
	linked   time.Time // since when all nodes are; zero: they are not
	judge    *judge
	breaches []error
}

const observePace = 100 * time.Millisecond

// Observe begins to look. Slots may be without an owner, or with several, and nodes unknown, for as long as the grace:
// a failover takes its time.
func (c *Cluster) Observe(ctx context.Context, grace time.Duration) (*Observer, error) {
	password, err := c.Password(ctx, userOperator)
	if err != nil {
		return nil, fmt.Errorf("password of %s: %w", c.Name, err)
	}
	ctx, stop := context.WithCancel(ctx)
	roster, err := c.follow(ctx)
	if err != nil {
		stop()
		return nil, fmt.Errorf("pods of %s: %w", c.Name, err)
	}
	o := &Observer{roster: roster, stop: stop, done: make(chan struct{}), judge: newJudge(grace)}
	go o.run(ctx, &examiner{password: password})
	return o, nil
}

// Stop ends the looking, and says what was not as it must be.
func (o *Observer) Stop() (looks int, err error) {
	o.stop()
	<-o.done
	return o.looks, errors.Join(o.breaches...)
}

// Last is the last look.
func (o *Observer) Last() Look {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last
}

// LinkedSince is since when all nodes are Linked, without a break; zero when they are not.
func (o *Observer) LinkedSince() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.linked
}

// Allow sets how long a cluster may be without what a fault takes from it, from now on.
func (o *Observer) Allow(grace time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.judge.grace = grace
}

// Breaches are what was not as it must be, so far.
func (o *Observer) Breaches() []error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]error(nil), o.breaches...)
}

func (o *Observer) run(ctx context.Context, e *examiner) {
	defer close(o.done)
	defer e.close()
	tick := time.NewTicker(observePace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			look := e.look(ctx, o.roster.known())
			if ctx.Err() == nil {
				o.take(look)
			}
		}
	}
}

func (o *Observer) take(look Look) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.looks++
	o.last = look
	if look.Linked() != nil {
		o.linked = time.Time{}
	} else if o.linked.IsZero() {
		o.linked = look.At
	}
	o.breaches = append(o.breaches, o.judge.look(look)...)
}
