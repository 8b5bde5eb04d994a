package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// replaceBrokenPods deletes pods of another template than the spec's in which redis has run, and does not any more: an
// update that went wrong is healed by the next one.
// Invariant: nothing runs in a pod that it deletes, and nothing is lost with it: every slot is with a node that was
// seen, or the volume stays, or there is no data yet.
func replaceBrokenPods(w Wanted, v cluster.View) (Decision, bool) {
	unborn := !w.Bootstrapped && len(v.Owners()) == 0
	safe := unborn || v.Served() && v.Contested().IsEmpty()
	for _, m := range v.Members {
		broken := m.Pod.Outdated && m.Pod.State == cluster.PodRunning && m.Info == nil && m.Down && m.Pod.Trouble != ""
		if !broken || !safe && !slices.Contains(v.Volumes, m.Pod.Ordinal) {
			continue
		}
		return Decision{
			Step:    DeletePod{Pod: m.Pod.Name, UID: m.Pod.UID, Stopped: true},
			Reason:  ReplacingBrokenPod,
			Message: fmt.Sprintf("%s does not run (%s), and the spec has changed since", m.Pod.Name, m.Pod.Trouble),
			Requeue: requeueForming,
		}, true
	}
	return Decision{}, false
}

// rollOnePod replaces one pod of another template than the spec's, or with a volume of another class: first replicas,
// and of those first such as do not count as a copy; then a primary, once a replica that is updated, in sync, and known
// to all who vote has taken its place.
// Invariant: nothing else is wrong: but for what goes with a pod that is replaced, no rule would wait for anything, so
// that each pod is back in sync before the next one goes. Nothing is lost with a pod: its shard's primary is there.
func rollOnePod(w Wanted, v cluster.View) (Decision, bool) {
	if !slices.ContainsFunc(v.Members, func(m cluster.Member) bool { return replaceable(w, m) }) {
		return Decision{}, false
	}
	if d, ok := waitForCalm(w, v); ok {
		return d, d.Step != nil
	}
	replicas := slices.DeleteFunc(slices.Clone(v.Members), func(m cluster.Member) bool {
		primary, _ := v.Member(m.Follows())
		return !replaceable(w, m) || m.Role() != cluster.Replica || primary.Role() != cluster.Primary
	})
	if len(replicas) > 0 {
		return roll(v, slices.MinFunc(replicas, lessWell)), true
	}
	if w.HoldPrimaries {
		return Decision{}, false
	}
	return rollPrimary(w, v)
}

// waitForCalm says that pods are not replaced now: a decision without a step when another rule says what is waited for.
func waitForCalm(w Wanted, v cluster.View) (Decision, bool) {
	if w.foreseen {
		return Decision{}, false
	}
	left := planned(w, v)
	if slices.ContainsFunc(v.Members, func(m cluster.Member) bool { return outdated(m) && !m.Info.LinkUp }) {
		left = nil // slots wait for replicas in sync, which these may never be
	}
	if _, disturbed := waitForOrder(w, withoutUnwell(w, v), left); disturbed {
		return Decision{}, true
	}
	who, replica := unheard(v)
	return wait(WaitingForClusterState, fmt.Sprintf("waiting until %s hears that %s is a replica by now: it would not"+
		" vote for it", who, replica), requeueForming), who != ""
}

// rollPrimary has an updated replica take the place of a primary that is not.
func rollPrimary(w Wanted, v cluster.View) (Decision, bool) {
	shards := v.Shards()
	for i := range shards {
		primary := shards[i].Primary
		heirs := slices.DeleteFunc(shards[i].Synced(), outdated) // what could be replaced was, before
		if !replaceable(w, primary) || len(heirs) == 0 {
			continue
		}
		heir := slices.MinFunc(heirs, func(a, b cluster.Member) int {
			return cmp.Compare(misfit(shards, a), misfit(shards, b))
		})
		return Decision{
			Step:   Failover{Pod: heir.Pod.Name, Node: heir.ID(), Primary: primary.ID(), Mode: HandOver},
			Reason: RollingUpdate,
			Message: fmt.Sprintf("%s hands over to %s, which is updated, to be replaced (%s)",
				primary.Pod.Name, heir.Pod.Name, updateProgress(v)),
			Requeue: requeueForming,
		}, true
	}
	return Decision{}, false
}

// roll replaces a replica. The pod that is missing then is made as any other.
func roll(v cluster.View, m cluster.Member) Decision {
	return Decision{
		Step: DeletePod{
			Pod: m.Pod.Name, UID: m.Pod.UID, Primary: m.Follows(), WithVolume: m.Pod.Class.Changes(),
		},
		Reason:  RollingUpdate,
		Message: fmt.Sprintf("replacing %s by a pod %s (%s)", m.Pod.Name, whatIsNew(m), updateProgress(v)),
		Requeue: requeueForming,
	}
}

// whatIsNew says why a pod is replaced.
func whatIsNew(m cluster.Member) string {
	var news []string
	switch {
	case len(m.Restart) > 0:
		names := make([]string, len(m.Restart))
		for i, d := range m.Restart {
			names[i] = d.Name
		}
		news = append(news, "that starts with another "+list(names))
	case m.Pod.Outdated:
		news = append(news, "of the new template")
	}
	if c := m.Pod.Class; c.Changes() {
		news = append(news, fmt.Sprintf("with a volume of %s, which it now has of %s", className(c.Wants), className(c.Has)))
	}
	return list(news)
}

func className(class string) string {
	if class == "" {
		return "no class"
	}
	return "class " + class
}

// refuseDowngrade says that a replica is of a version that cannot read its primary's data, so that it never comes into
// sync: going back to it needs a copy of the data from before.
// Invariant: a version that cannot read what there is comes to no primary.
func refuseDowngrade(_ Wanted, v cluster.View) (Decision, bool) {
	for _, m := range v.Members {
		primary, ok := v.Member(m.Follows())
		if !ok || m.Info.LinkUp || !cluster.CannotRead(m.Info.Version, primary.Info.Version) {
			continue
		}
		return wait(DowngradeRefused, fmt.Sprintf("%s runs %s, which cannot read the data of %s, which runs %s: no other "+
			"pod is replaced; set the image back", m.Pod.Name, m.Info.Version, primary.Pod.Name, primary.Info.Version),
			requeueWaiting), true
	}
	return Decision{}, false
}

// reportHeldUpdate says that primaries of another template than the spec's stay until a person approves.
// Invariant: an update that is supervised comes to no primary by itself.
func reportHeldUpdate(w Wanted, v cluster.View) (Decision, bool) {
	if !w.HoldPrimaries {
		return Decision{}, false
	}
	var held []string
	for _, m := range v.Members {
		if outdated(m) {
			held = append(held, m.Pod.Name)
		}
	}
	if len(held) == 0 {
		return Decision{}, false
	}
	return wait(UpdateAwaitsApproval, fmt.Sprintf("%s %s not updated yet (%s): to go on with primaries, run: "+
		"kubectl redis-cluster approve %s", list(held), verb(len(held), "is", "are"), updateProgress(v),
		strings.Replace(w.Object, "rdc/", "", 1)), requeueIdle), true
}

func outdated(m cluster.Member) bool { return m.Pod.Superseded() }

// updateProgress is "2 of 6 pods are updated".
func updateProgress(v cluster.View) string {
	updated := 0
	for _, m := range v.Members {
		if !outdated(m) {
			updated++
		}
	}
	return fmt.Sprintf("%d of %s updated", updated, areWanted(len(v.Members)))
}

func lessWell(a, b cluster.Member) int { return cmp.Compare(wellness(a), wellness(b)) }

// wellness puts first what is missed least.
func wellness(m cluster.Member) int {
	switch {
	case !m.Info.LinkUp:
		return 0
	case !m.Pod.Ready:
		return 1
	}
	return 2
}

// withoutUnwell is the view as if those that are to be replaced were well: what is wrong with them goes with them.
func withoutUnwell(w Wanted, v cluster.View) cluster.View {
	unwell := func(m cluster.Member) bool { return replaceable(w, m) && wellness(m) < 2 }
	if !slices.ContainsFunc(v.Members, unwell) {
		return v
	}
	v.Members = slices.Clone(v.Members)
	for i := range v.Members {
		if m := &v.Members[i]; unwell(*m) {
			info := *m.Info
			info.LinkUp, m.Info, m.Pod.Ready = true, &info, true
		}
	}
	return v
}

// unheard is a pod whose node does not know yet that another, which counts as a copy, is a replica by now.
func unheard(v cluster.View) (who, replica string) {
	for _, m := range v.Members {
		if m.Role() != cluster.Replica || !m.Info.LinkUp {
			continue
		}
		if who = hasNotHeard(v, m); who != "" {
			return who, m.Pod.Name
		}
	}
	return "", ""
}

// misfit says how badly a replica's host is chosen for a primary: last comes one that somebody works on.
func misfit(shards []cluster.Shard, m cluster.Member) int {
	if m.Pod.HostShut != "" {
		return len(shards) + 1
	}
	return primariesOn(shards, m.Pod.Host)
}

func primariesOn(shards []cluster.Shard, host string) int {
	n := 0
	for i := range shards {
		if near(shards[i].Primary.Pod.Host, host) {
			n++
		}
	}
	return n
}

// lent is the shard that gets a pod more for as long as it takes to replace its primary: without replicas nobody else
// has its data. The one that has its replica already comes first. "" while nothing is to be replaced, or anything else
// is to be done first: the former primary of the shard before has to go.
func lent(w Wanted, v cluster.View) cluster.NodeID {
	if w.Replicas > 0 || w.Paused || w.HoldPrimaries || w.Closed != "" || !v.Served() || !v.Contested().IsEmpty() ||
		len(v.Owners()) != w.Primaries {
		return ""
	}
	if slices.ContainsFunc(v.Members, func(m cluster.Member) bool { return outdated(m) && m.Role() == cluster.Replica }) {
		return ""
	}
	shards := slices.DeleteFunc(slices.Clone(v.Shards()), func(s cluster.Shard) bool {
		return !outdated(s.Primary) || bound(s.Primary) || !s.Primary.Live()
	})
	if len(shards) == 0 {
		return ""
	}
	return slices.MinFunc(shards, func(a, b cluster.Shard) int {
		return cmp.Or(-cmp.Compare(len(a.Replicas), len(b.Replicas)),
			cmp.Compare(a.Primary.Pod.Ordinal, b.Primary.Pod.Ordinal))
	}).ID
}
