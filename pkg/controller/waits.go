package controller

import (
	"time"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const (
	// waitsLong is how long a gate is shut before that is told: every start takes a second or two.
	waitsLong = 3 * time.Second
	// mostWaits is how many different things are told of one start.
	mostWaits = 10
)

// gateWait is a start of redis that waits.
type gateWait struct {
	since time.Time
	told  map[string]bool // what it waits for
}

// tellWaits has pods whose gates are shut say so, and what for, each thing once.
func (c *Controller) tellWaits(t target) {
	for _, m := range t.ledger.longWaits(t.view, c.Clock.Now()) {
		c.Events.Pod(t.rc, m.Pod.Name, m.Pod.UID, redisv1.EventWaitingAtGate, "redis is not started yet: "+m.Waits)
	}
}

// longWaits are the members whose redis has not been started for long, when what they wait for was not told yet.
func (l *ledger) longWaits(v cluster.View, now time.Time) []cluster.Member {
	before := l.waits
	l.waits = map[string]gateWait{}
	var found []cluster.Member
	for _, m := range v.Members {
		if m.Waits == "" {
			continue
		}
		wait, known := before[m.Pod.UID]
		if !known {
			wait = gateWait{now, map[string]bool{}}
		}
		l.waits[m.Pod.UID] = wait
		if now.Sub(wait.since) >= waitsLong && !wait.told[m.Waits] && len(wait.told) < mostWaits {
			wait.told[m.Waits] = true
			found = append(found, m)
		}
	}
	return found
}
