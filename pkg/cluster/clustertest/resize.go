package clustertest

import (
	"fmt"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// Kubelets is what kubelets make of pods that are to grow.
type Kubelets int

// The kubelets of a world.
const (
	Roomy Kubelets = iota // give what they are asked for
	Full                  // have no room for a while
	Small                 // will never have as much
)

// roomAgain is when a kubelet that is full has room.
const roomAgain = 8

// Size changes the memory of pods by the spec; those that run can only grow.
func (w *World) Size(size int, kubelets Kubelets) *World {
	w.size, w.kubelets = size, kubelets
	return w
}

// Given is the memory of a pod by its kubelet.
func (w *World) Given(name string) int { return w.pod(name).given }

// resizing is how far a pod has come to the size of the spec.
func (w *World) resizing(p *pod, seen *cluster.Pod) {
	if seen.Outdated || p.noted == w.size {
		return
	}
	switch {
	case p.node == nil || p.State != cluster.PodRunning:
		seen.Outdated = true
	case p.asked != w.size && p.given <= w.size:
		seen.Resize = cluster.ResizeDue
	case p.asked == w.size && p.given == w.size:
		seen.Resize = cluster.ResizeGranted
	case p.asked == w.size && w.kubelets != Small && p.given < w.size:
		seen.Resize = cluster.ResizeAsked
		if w.kubelets == Full {
			seen.ResizeStall = "Deferred: no room"
		}
	default:
		seen.Outdated = true
	}
}

// resizePod is the operator's request to a pod's kubelet, and its note of what came of it.
func (w *World) resizePod(s plan.ResizePod) error {
	for _, p := range w.pods {
		switch {
		case p.Name != s.Pod || p.UID != s.UID:
		case s.Granted && (p.asked != w.size || p.given != w.size):
			return fmt.Errorf("%w: %s does not have what the spec says", ErrRefused, s.Pod)
		case s.Granted:
			p.noted = w.size
			return nil
		case p.given > w.size:
			return fmt.Errorf("%w: %s may have filled its memory", ErrRefused, s.Pod)
		default:
			p.asked, p.noted, p.giveAt = w.size, -1, w.now+1+w.rng.IntN(2)
			if w.kubelets == Full {
				p.giveAt = w.now + roomAgain
			}
			return nil
		}
	}
	return fmt.Errorf("%w: %s is another pod", ErrRefused, s.Pod)
}

// grow is the kubelets that do what they were asked for.
func (w *World) grow() {
	for _, p := range w.pods {
		if p.asked > p.given && p.node != nil && w.now >= p.giveAt && w.kubelets != Small {
			p.given = p.asked
		}
	}
}
