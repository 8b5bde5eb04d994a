package clustertest

import (
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// NoClass is a StorageClass that does not exist: no volume is ever made of it.
const NoClass = "none"

// claim is a volume claim: of a class, with a volume once a pod has run on it, and on its way out once it is doomed.
type claim struct {
	class         string
	bound, doomed bool
}

// Reclass has the spec name another class.
func (w *World) Reclass(class string) *World {
	w.class = class
	return w
}

// Classes are the classes of the volumes that there are, by ordinal.
func (w *World) Classes() map[int]string {
	classes := map[int]string{}
	for ordinal, c := range w.claims {
		classes[ordinal] = c.class
	}
	return classes
}

// claimFor makes the claim of a pod, as the operator does before the pod. It says no where the former one is on its way
// out.
func (w *World) claimFor(ordinal int) bool {
	if w.settings.Ephemeral {
		return true
	}
	if w.claims[ordinal] == nil {
		w.claims[ordinal] = &claim{class: w.class}
	}
	return !w.claims[ordinal].doomed
}

// provision says that there is a volume for a pod that is to start. A claim that waits for another class than the spec's
// is made anew.
func (w *World) provision(p *pod) bool {
	c := w.claims[p.Ordinal]
	if c == nil || c.bound {
		return true
	}
	if c.class = w.class; c.class == NoClass {
		p.Trouble = "Unschedulable: 0/3 nodes are available: unbound claims"
	}
	return c.class != NoClass
}

// bind gives the claim of a pod that starts its volume.
func (w *World) bind(p *pod) {
	if c := w.claims[p.Ordinal]; c != nil {
		c.bound = true
	}
}

// classOf is of which class the volume of a pod is.
func (w *World) classOf(p *pod) cluster.Class {
	c := w.claims[p.Ordinal]
	if c == nil || !c.bound {
		return cluster.Class{}
	}
	return cluster.Class{Has: c.class, Wants: w.class}
}

// doom deletes the claim of a pod that was asked to stop, unless the operator is killed before it comes to that. What is
// on its volume is there for as long as the pod is.
func (w *World) doom(p *pod) {
	if w.settings.Cuts > 0 && w.rng.Float64() < min(w.settings.Cuts, 0.5) {
		return
	}
	w.claims[p.Ordinal].doomed = true
}

// release ends the claim of a pod that is gone, when it is doomed.
func (w *World) release(p *pod) {
	if c := w.claims[p.Ordinal]; c != nil && c.doomed {
		delete(w.claims, p.Ordinal)
		delete(w.disks, p.Ordinal)
	}
}

// doomed says that the volume of an ordinal goes with its pod.
func (w *World) doomed(ordinal int) bool {
	c := w.claims[ordinal]
	return c != nil && c.doomed
}
