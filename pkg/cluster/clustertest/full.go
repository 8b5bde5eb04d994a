package clustertest

import (
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const cannotAppend = "aof_last_write_status:err"

// Full fills the volume of a pod, or empties it again. A node with a full volume refuses writes; one that has to write its
// nodes.conf ends, and does not start before there is room.
func (w *World) Full(name string, full bool) *World {
	p := w.pod(name)
	p.full = full
	fault := ""
	if full {
		fault = cannotAppend
	}
	if p.node != nil {
		return w.FailWrites(name, fault)
	}
	if n := w.disks[p.Ordinal]; n != nil {
		n.writeFault = fault
	}
	return w
}

// save is a node that writes its nodes.conf.
func (w *World) save(n *node) {
	if i := slices.IndexFunc(w.pods, func(p *pod) bool { return p.node == n }); i >= 0 && w.pods[i].full {
		w.stop(w.pods[i])
	}
}

// measure is what is asked of volumes as soon as one is full: half of the others is free.
func (w *World) measure(v *cluster.View) {
	full := func(m cluster.Member) bool { return m.Seen() && m.Info.WriteFault == cannotAppend }
	if !slices.ContainsFunc(v.Members, full) {
		return
	}
	for i := range v.Members {
		m := &v.Members[i]
		m.RefusesWrites, m.Room = full(*m), cluster.Room{Bytes: 100}
		if !m.RefusesWrites {
			m.Room.Free = 50
		}
	}
}
