package cluster

import "slices"

// SetAside takes the pods that cannot be stopped out of the members, where others can take their places: those that
// are overdue, were not seen, have no volume to come back with, and whose node no other node hears from. One that is
// heard is a member like any other that the operator cannot reach.
func (v View) SetAside() View {
	ghosts := v.Ghosts()
	aside := func(m Member) bool {
		answers := func(g Ghost) bool { return g.Answers && m.Pod.IP != "" && g.Addr.IP == m.Pod.IP }
		heard := slices.ContainsFunc(ghosts, answers)
		return m.Pod.Overdue && !m.Pod.HostGone && !m.Seen() && !heard && !slices.Contains(v.Volumes, m.Pod.Ordinal)
	}
	if !slices.ContainsFunc(v.Members, aside) {
		return v
	}
	v.study = nil
	members := v.Members
	v.Members, v.Aside = nil, slices.Clone(v.Aside)
	for _, m := range members {
		if aside(m) {
			v.Aside = append(v.Aside, m)
		} else {
			v.Members = append(v.Members, m)
		}
	}
	return v
}
