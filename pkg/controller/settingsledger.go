package controller

import (
	"sync"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// nodeTimeout is set by the agent when its node has found its place: until then it is a short one.
const nodeTimeout = "cluster-node-timeout"

// settings is what is remembered of what servers run with, and of what they said about it. It is a cache: an operator
// that begins with nothing in it asks again, and is told the same.
type settings struct {
	at       time.Time
	settled  bool                       // nothing was left to be set at the last comparison
	refusal  string                     // what is refused of the spec, in the server's words; "": nothing
	compared map[string]int64           // by process: the memory limit that it had then
	launches map[string]launch          // by process
	restarts map[string][]cluster.Drift // by process: what it takes only at its start
	taken    map[string]string          // out of the spec, with the values that were written
	kept     []string                   // what nodes keep of that, in words

	mu      sync.Mutex
	fixed   map[word]bool     // directives that a version takes only at its start; without a value
	refused map[word]string   // what a version has said to a value
	asked   map[string][]word // by process: what it was given, with what it made of that
	resting map[string]time.Time
}

// word is a value of a directive, and who is to understand it: a version, or a process.
type word struct{ of, name, value string }

// reset forgets what was said to another spec. What a server is, it stays.
func (l *settings) reset() {
	l.settled, l.refusal = false, ""
	l.refused, l.asked, l.resting = map[word]string{}, map[string][]word{}, map[string]time.Time{}
}

// knows says that every node that runs has been compared since it was started, and since it was given other memory.
func (l *settings) knows(v cluster.View) bool {
	for _, m := range v.Members {
		if limit, compared := l.compared[process(m)]; m.Seen() && (!compared || limit != m.Pod.MemoryLimit) {
			return false
		}
	}
	return true
}

// begin begins a comparison.
func (l *settings) begin(now time.Time) {
	l.at, l.settled, l.refusal = now, true, ""
	l.compared, l.restarts, l.kept = map[string]int64{}, map[string][]cluster.Drift{}, nil
	if l.launches == nil {
		l.launches, l.fixed = map[string]launch{}, map[word]bool{}
	}
}

// judge says what is to be done about what a node does not run with as it should: to set it, to start the node again,
// or nothing.
func (l *settings) judge(m *cluster.Member, said said, wanted []cluster.Setting) {
	l.compared[process(*m)] = m.Pod.MemoryLimit
	asSpec := map[string]string{}
	for _, s := range wanted {
		asSpec[s.Name] = s.Value
	}
	for _, d := range cluster.Drifts(said.live, wanted, said.launch.defaults) {
		refused, isRefused := l.refused[word{m.Info.Version, d.Name, d.Want}]
		started, inFile := said.launch.conf[d.Name]
		want, inSpec := asSpec[d.Name]
		switch {
		case d.Name == nodeTimeout && !settledIn(*m):
		case isRefused:
			l.refusal = refused
		case l.fixed[word{of: m.Info.Version, name: d.Name}]:
			if said.launch.conf != nil && (inFile != inSpec || started != want) {
				l.restarts[process(*m)] = append(l.restarts[process(*m)], d)
			}
		case l.understood(*m, d) || l.at.Before(l.resting[m.Pod.Name]):
		default:
			m.Drift = append(m.Drift, d)
		}
	}
}

// settledIn says that a node has found its place in the cluster.
func settledIn(m cluster.Member) bool { return m.Info.StateOK && m.Pod.Ready }

// understood says that a node was given just this twice, and made the same of it each time: that is what it means.
func (l *settings) understood(m cluster.Member, d cluster.Drift) bool {
	times := 0
	for _, w := range l.asked[process(m)] {
		if w == (word{d.Has, d.Name, d.Want}) {
			times++
		}
	}
	return times >= 2
}

// end ends a comparison. While a server refuses a part of the spec, nothing of it is set and nothing written.
func (l *settings) end(v *cluster.View) {
	for i := range v.Members {
		m := &v.Members[i]
		if l.refusal != "" {
			m.Drift = nil
		}
		_, compared := l.compared[process(*m)]
		l.settled = l.settled && len(m.Drift) == 0 && (!m.Seen() || compared)
	}
	if l.refusal != "" || v.Unwritten { // a pod that is replaced now would start with what was written before
		clear(l.restarts)
	}
	v.Unwritten = v.Unwritten && l.refusal == ""
	l.settled = l.settled && !v.Unwritten // what was cleared is to be found again
	for known := range l.launches {
		if _, runs := l.compared[known]; !runs {
			delete(l.launches, known)
		}
	}
}

// takes is the settings that the servers of a version take while they run, as far as that is known.
func (l *settings) takes(version string, drifts []cluster.Drift) []cluster.Drift {
	l.mu.Lock()
	defer l.mu.Unlock()
	var live []cluster.Drift
	for _, d := range drifts {
		if !l.fixed[word{of: version, name: d.Name}] {
			live = append(live, d)
		}
	}
	return live
}

// fix notes that servers of a version take a directive only when they start.
func (l *settings) fix(version, name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fixed[word{of: version, name: name}] = true
}

// refuse notes what a server has said to settings.
func (l *settings) refuse(version string, drifts []cluster.Drift, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range drifts {
		l.refused[word{version, d.Name, d.Want}] = text
	}
	l.refusal, l.settled = text, false
}

// give notes what a process was given, beside what it had.
func (l *settings) give(m cluster.Member, drifts []cluster.Drift) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range drifts {
		l.asked[process(m)] = append(l.asked[process(m)], word{d.Has, d.Name, d.Want})
	}
}

// rest leaves a node alone that did not answer.
func (l *settings) rest(pod string, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resting[pod] = until
}
