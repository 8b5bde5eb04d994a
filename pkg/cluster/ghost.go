package cluster

import (
	"cmp"
	"slices"
)

// Ghost is a node that tables list and that no member was seen to be: a node whose pod is gone, one whose pod
// was not seen, or a node of somebody else.
type Ghost struct {
	ID   NodeID
	Addr Addr
	// KnownBy is the pods whose nodes list it, as in the view.
	KnownBy []string
	// Answers says that at least one of them hears from it: it is alive, whoever it is.
	Answers bool
	// GivenUp says that all of them know that it failed, have no address of it, or no link to it.
	GivenUp bool
	// Slots is what any of them believes that it owns.
	Slots SlotSet
}

// Ghosts are sorted by ID. Handshakes are none: they have no ID of their own yet.
func (v View) Ghosts() []Ghost { return v.studied().ghosts }

func (v View) findGhosts(ids []NodeID) []Ghost {
	var ghosts []Ghost
	for _, m := range v.Members {
		if m.Info == nil {
			continue
		}
		for i := range m.Info.Table {
			n := &m.Info.Table[i]
			if _, seen := slices.BinarySearch(ids, n.ID); seen || n.Flags.Handshake {
				continue
			}
			at := slices.IndexFunc(ghosts, func(g Ghost) bool { return g.ID == n.ID })
			if at < 0 {
				at = len(ghosts)
				ghosts = append(ghosts, Ghost{ID: n.ID, GivenUp: true})
			}
			ghosts[at].hear(m.Pod.Name, n)
		}
	}
	slices.SortFunc(ghosts, func(a, b Ghost) int { return cmp.Compare(a.ID, b.ID) })
	return ghosts
}

// hear adds what one table says.
func (g *Ghost) hear(pod string, n *Node) {
	g.KnownBy = append(g.KnownBy, pod)
	g.Slots = g.Slots.Union(n.Slots)
	if n.Addr.IP != "" {
		g.Addr = n.Addr
	}
	f := n.Flags
	g.Answers = g.Answers || n.Connected && !n.Awaited && !f.Fail && !f.PFail && !f.NoAddr
	g.GivenUp = g.GivenUp && (f.Fail || f.NoAddr || !n.Connected)
}
