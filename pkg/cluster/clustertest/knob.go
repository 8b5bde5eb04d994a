package clustertest

import (
	"fmt"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// Knob is the one directive that nodes of a world have.
const Knob = "knob"

// BadKnob is the value that they do not take, nor start with.
const BadKnob = 9

// knob is what the spec wants of the directive, what is written for nodes that start, and whether the bad value was
// refused.
type knob struct {
	wanted, written int
	refused         bool
}

// Turn has the spec want another value of the directive.
func (w *World) Turn(value int) *World {
	w.knob.wanted = value
	return w
}

// Knobs is what the nodes that run have, by pod, and what is written.
func (w *World) Knobs() (live map[string]int, written int) {
	live = map[string]int{}
	for _, p := range w.pods {
		if p.node != nil {
			live[p.Name] = p.node.knob
		}
	}
	return live, w.knob.written
}

// drift adds to a view what nodes do not run with as they should. What was refused is not asked for again.
func (w *World) drift(v *cluster.View) {
	if w.knob.wanted == BadKnob && w.knob.refused {
		return
	}
	for i := range v.Members {
		m := &v.Members[i]
		if m.Info == nil {
			continue
		}
		v.Unwritten = w.knob.written != w.knob.wanted
		if has := w.pod(m.Pod.Name).node.knob; has != w.knob.wanted {
			m.Drift = []cluster.Drift{{Name: Knob, Has: fmt.Sprint(has), Want: fmt.Sprint(w.knob.wanted)}}
		}
	}
}

// configure is CONFIG SET at nodes, the first one alone, and then the file.
func (w *World) configure(s plan.Configure) error {
	value := w.knob.wanted
	for _, c := range s.Changes {
		n, err := w.nodeIn(c.Pod, c.Node)
		if err != nil {
			return err
		}
		if _, err := fmt.Sscan(c.Settings[0].Want, &value); err != nil {
			return err
		}
		if value == BadKnob {
			w.knob.refused = true
			return nil
		}
		n.knob = value
	}
	w.knob.written = value
	return nil
}
