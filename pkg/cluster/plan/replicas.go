package plan

import (
	"fmt"
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// attachReplicas makes nodes without slots replicas of the shards that lack some, new ones too, as placement says,
// all at once.
// Invariant: no node loses data by it: who gets a primary has no slots in any table and no keys, nor part of a slot
// that is on its way, or follows such a primary, or is a copy that its shard can spare. A place that a node that was
// not seen may come back to is kept free, and so is a node for each new shard.
func attachReplicas(w Wanted, v cluster.View) (Decision, bool) {
	if !formed(w, v) || !v.Contested().IsEmpty() {
		return Decision{}, false
	}
	vacancies, places := vacant(w, v)
	attached := cluster.Attach(vacancies, idle(w, v))
	if len(attached) > places {
		attached = attached[:places]
	}
	if len(attached) == 0 && complete(v) {
		attached = rehome(w, v, vacancies)
	}
	var links []Link
	var words []string
	for _, a := range attached {
		if !w.foreseen && !knows(a.Replica, a.Primary) {
			continue // gossip will tell it
		}
		links = append(links, Link{Pod: a.Replica.Pod.Name, Node: a.Replica.ID(), Primary: a.Primary.ID()})
		words = append(words, a.Replica.Pod.Name+" of "+a.Primary.Pod.Name)
	}
	if len(links) == 0 {
		return Decision{}, false
	}
	return Decision{
		Step:    Replicate{Links: links},
		Reason:  AttachingReplicas,
		Message: "making replicas: " + list(words),
		Requeue: requeueForming,
	}, true
}

// vacant is the live primaries that lack replicas, and how many places may be filled: nodes that were not seen,
// or are not there yet, may have some of them.
func vacant(w Wanted, v cluster.View) ([]cluster.Vacancy, int) {
	vacancies := short(w, v)
	places := (vacantShards(w, v) - len(founders(w, v))) * (1 + w.Replicas)
	for i := range vacancies {
		places += vacancies[i].Lacks
	}
	return vacancies, max(0, places-absent(w, v))
}

// absent is how many nodes were not seen, or are not there yet.
func absent(w Wanted, v cluster.View) int {
	n := max(0, standing(w, v).Pods()-len(v.Members))
	for _, m := range v.Members {
		if !m.Seen() {
			n++
		}
	}
	return n
}

// short is the live primaries that lack replicas.
func short(w Wanted, v cluster.View) []cluster.Vacancy {
	var vacancies []cluster.Vacancy
	shards := shards(w, v)
	for i := range shards {
		s := &shards[i]
		if lacks := w.replicasOf(s.ID) - len(s.Replicas); lacks > 0 && s.Primary.Live() {
			vacancies = append(vacancies, cluster.Vacancy{Primary: s.Primary, Replicas: s.Replicas, Lacks: lacks})
		}
	}
	return vacancies
}

// idle is the live nodes without a shard: primaries without slots and keys, and replicas of nobody. Those that new
// shards are to be made of are not, and so many of the others are left as are still to be chosen.
func idle(w Wanted, v cluster.View) []cluster.Member {
	founders := founders(w, v)
	reserve := vacantShards(w, v) - len(founders) - absent(w, v)
	involved := involved(v)
	var idle []cluster.Member
	for _, m := range liveMembers(v) {
		empty := m.Role() == cluster.Primary && m.Info.Keys == 0 && !v.Claimed(m.ID())
		follows := func(f cluster.Member) bool { return f.ID() == m.ID() || f.ID() == m.Follows() }
		if slices.ContainsFunc(founders, follows) || slices.Contains(involved, m.ID()) ||
			slices.Contains(involved, m.Follows()) {
			continue
		}
		switch {
		case empty && reserve > 0:
			reserve--
		case empty, orphaned(v, m):
			idle = append(idle, m)
		}
	}
	return idle
}

// orphaned says that the node follows a primary that has no slots in any table: what it copies is nothing.
func orphaned(v cluster.View, m cluster.Member) bool {
	return m.Role() == cluster.Replica && !v.Claimed(m.Follows())
}

// rehome finds primaries for replicas that no vacancy takes: copies that one shard has too many of go to one that
// lacks some, and orphans beyond what is wanted go where there are fewest, when who they follow is not there any more,
// so that it can be forgotten. Those of a primary that is there are about to go with it.
func rehome(w Wanted, v cluster.View, vacancies []cluster.Vacancy) []cluster.Attachment {
	var loose []cluster.Member
	shards := slices.DeleteFunc(slices.Clone(v.Shards()), func(s cluster.Shard) bool { return !s.Primary.Live() })
	if len(vacancies) > 0 {
		for _, s := range shards {
			if synced, wanted := s.Synced(), w.replicasOf(s.ID); len(synced) > wanted {
				loose = append(loose, synced[wanted:]...)
			}
		}
		return cluster.Attach(vacancies, loose)
	}
	if len(shards) == 0 {
		return nil
	}
	fewest := slices.MinFunc(shards, func(a, b cluster.Shard) int { return len(a.Replicas) - len(b.Replicas) })
	involved := involved(v)
	for _, m := range liveMembers(v) {
		if primary, _ := v.Member(m.Follows()); orphaned(v, m) && !primary.Live() && !slices.Contains(involved, m.Follows()) {
			loose = append(loose, m)
		}
	}
	some := cluster.Vacancy{Primary: fewest.Primary, Replicas: fewest.Replicas, Lacks: len(loose)}
	return cluster.Attach([]cluster.Vacancy{some}, loose)
}

// knows says that the node lists the other as a primary that it can follow.
func knows(m, primary cluster.Member) bool {
	i := m.Info.Table.Index(primary.ID())
	if i < 0 {
		return false
	}
	flags := m.Info.Table[i].Flags
	return m.Info.Table[i].Role == cluster.Primary && !flags.NoAddr && !flags.Fail && !flags.Handshake
}

// reportStrayKeys says which nodes could be replicas but for the keys they hold.
// Invariant: keys are never deleted to make a node fit.
func reportStrayKeys(_ Wanted, v cluster.View) (Decision, bool) {
	var stray []string
	for _, m := range liveMembers(v) {
		if m.Role() == cluster.Primary && m.Info.Keys > 0 && !v.Claimed(m.ID()) {
			keys := count(int(m.Info.Keys), "key", "keys")
			stray = append(stray, fmt.Sprintf("%s owns no slots but holds %s", m.Pod.Name, keys))
		}
	}
	if len(stray) == 0 {
		return Decision{}, false
	}
	return wait(StrayKeys, list(stray)+": making it a replica would delete them", requeueWaiting), true
}
