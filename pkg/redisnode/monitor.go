package redisnode

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

const (
	lookInterval     = time.Second
	lookIntervalFast = 200 * time.Millisecond // until the node has a role, and gets what is written
)

// snapshot is one look at the pod's own redis.
type snapshot struct {
	at       time.Time
	liveness redis.Liveness
	dead     bool              // nobody listens on the socket
	info     *cluster.NodeInfo // nil when it did not say
	err      error
}

func (s snapshot) alive() bool { return s.liveness.Alive() }

// hasRole says whether the node counts as a copy: a primary with slots, or a replica that is in sync.
func (s snapshot) hasRole() bool {
	if s.info == nil || s.info.Loading {
		return false
	}
	self := s.info.Self()
	switch self.Role {
	case cluster.Primary:
		return !self.Slots.IsEmpty()
	case cluster.Replica:
		return s.info.LinkUp
	case cluster.RoleUnknown:
	}
	return false
}

// monitor looks at the pod's own redis and remembers what it saw, so that who asks often costs nothing.
type monitor struct {
	clients  *redis.Clients
	endpoint func() (redis.Endpoint, error)
	clock    clock.Clock

	mu      sync.Mutex
	last    snapshot
	aliveAt time.Time // when it last answered
	link    link      // to its primary, while it is a replica
	trail   trail     // how far its stream of writes has come
	died    bool      // what is known of the stream is of a redis that is dead
	reign   reign     // how far it came as a primary, as long as it is not known what its successor has of that
}

// run looks every second until the context ends, and calls seen after each look.
func (m *monitor) run(ctx context.Context, seen func(context.Context, snapshot)) {
	for {
		s := m.look(ctx)
		seen(ctx, s)
		interval := lookInterval
		if !s.hasRole() || m.isFresh() {
			interval = lookIntervalFast
		}
		if pause(ctx, m.clock, interval) != nil {
			return
		}
	}
}

// look asks redis now.
func (m *monitor) look(ctx context.Context) snapshot {
	s := snapshot{at: m.clock.Now()}
	ep, err := m.endpoint()
	if err != nil {
		s.err = err
	} else if s.info, s.err = m.clients.Observe(ctx, ep); s.err == nil {
		s.liveness = redis.Answering
	} else {
		s.dead = errors.Is(s.err, redis.ErrRefused)
		if !s.dead {
			s.liveness, _ = m.clients.Ping(ctx, ep) // s.err says more
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil || s.at.Before(m.last.at) {
		return s
	}
	m.last = s
	if s.alive() {
		m.aliveAt = s.at
	}
	switch {
	case s.dead: // what it starts with again is what was on its disk
		m.link, m.died, m.reign = link{}, true, reign{}
	case s.info != nil:
		if m.died {
			m.trail, m.died = trail{}, false
		}
		m.trail.see(s.at, s.info.ReplOffset)
		m.link.see(s.at, s.info)
		m.reign.see(s.info)
	}
	return s
}

// latest is the last look.
func (m *monitor) latest() (s snapshot, aliveAt time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last, m.aliveAt
}

// synced says whether the node, a replica, is in sync with its primary or was so until shortly before s.
func (m *monitor) synced(s snapshot) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return s.info != nil && !s.info.Loading && m.link.heldAt(s.at)
}

// isFresh says whether the node, a replica, may not have been sent yet what was written since its copy was made.
func (m *monitor) isFresh() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.link.fresh
}

// lastOffset is how far the node's stream of writes was when it last answered; 0 when it has not.
func (m *monitor) lastOffset() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.trail.last()
}

// dueOffset is how far the node's stream was behindAfter before it last answered; 0 when that is not known.
func (m *monitor) dueOffset() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.trail.due()
}

// fresh is the last look when it is not older than age, or a new one.
func (m *monitor) fresh(ctx context.Context, age time.Duration) snapshot {
	if s, _ := m.latest(); !s.at.IsZero() && m.clock.Since(s.at) <= age {
		return s
	}
	return m.look(ctx)
}

// pause waits, or gives the context's error when that ends first.
func pause(ctx context.Context, c clock.Clock, d time.Duration) error {
	timer := c.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C():
		return nil
	}
}
