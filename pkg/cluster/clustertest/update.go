package clustertest

import (
	"fmt"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// What can be wrong with a template.
const (
	Unpullable = "unpullable" // its pods never start
	Crashing   = "crashing"   // redis ends as soon as it is started
	Lame       = "lame"       // redis runs, and cannot read what a primary of another template sends
)

// Update changes the template that pods are made from; a flaw is what is wrong with it, "" when nothing is.
func (w *World) Update(flaw string) *World {
	w.template = len(w.flaws) + 1
	w.flaws[w.template] = flaw
	return w
}

// Flawed says that something is wrong with the template of now.
func (w *World) Flawed() bool { return w.flaws[w.template] != "" }

// Revert goes back to the template of the beginning.
func (w *World) Revert() *World {
	w.template = 0
	return w
}

// falter is a pod of a template with a flaw, which does not run.
func (w *World) falter(p *pod) {
	if !w.provision(p) {
		return
	}
	w.bind(p)
	switch w.flaws[p.made] {
	case Unpullable:
		p.Trouble = "container redis: ImagePullBackOff: not found"
	case Crashing:
		if w.now >= p.startAt && p.State == cluster.PodPending {
			w.born++
			p.State, p.IP = cluster.PodRunning, fmt.Sprintf("10.0.%d.%d", w.born/250, w.born%250+1)
		}
		p.Trouble = "container redis: CrashLoopBackOff: (it ended with exit code 1: Bad directive)"
	}
}

// updateAgent changes the image of the agent in a pod.
func (w *World) updateAgent(s plan.UpdateAgent) error {
	for _, p := range w.pods {
		if p.Name == s.Pod && p.UID == s.UID {
			p.AgentOutdated = false
			return nil
		}
	}
	return fmt.Errorf("%w: %s is another pod", ErrRefused, s.Pod)
}
