package redisnode

import (
	"io"
	"net/http"
	"time"
)

const (
	// hangBound is how long redis may give no sign of life before it counts as hanging.
	hangBound = time.Minute
	// staleBound is how old the last look may be for the node to be ready.
	staleBound = 5 * time.Second
)

// newProbes answers the kubelet, from memory and with a word.
//
// Live is a redis that answers anything, LOADING and BUSY too; one that the gate holds; and one that was
// silent for less than a minute. A process that has ended is the kubelet's to see, not the probe's.
//
// Ready is a node that counts as a copy: a primary with slots, or a replica that is in sync. The state of the
// cluster does not matter: a shard that is lost elsewhere must not take the others' endpoints away, nor let
// the PodDisruptionBudget stop the pod that would heal it.
func newProbes(a *Agent) http.Handler {
	mux := http.NewServeMux()
	answer := func(path string, ok func() bool) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			word := "ok\n"
			if !ok() {
				w.WriteHeader(http.StatusServiceUnavailable)
				word = "no\n"
			}
			_, _ = io.WriteString(w, word)
		})
	}
	answer("/live", a.live)
	answer("/ready", a.ready)
	answer("/healthz", func() bool { return true })
	return mux
}

func (a *Agent) live() bool {
	look, aliveAt := a.node.latest()
	gate := a.gate.read()
	if look.alive() || gate.holding || look.dead && gate.openedAt.IsZero() {
		return true
	}
	silentSince := latest(a.startedAt, aliveAt, gate.openedAt)
	return a.opts.Clock.Since(silentSince) < hangBound
}

func (a *Agent) ready() bool {
	look, _ := a.node.latest()
	gate := a.gate.read()
	fresh := a.opts.Clock.Since(look.at) < staleBound
	return fresh && look.alive() && look.hasRole() && !gate.stopping && !gate.holding
}

func latest(times ...time.Time) time.Time {
	var last time.Time
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}
