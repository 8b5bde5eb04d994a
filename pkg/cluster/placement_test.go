package cluster_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// member is a pod somewhere, with a node that is nothing yet.
func member(ordinal int, host, zone string) cluster.Member {
	id := cluster.NodeID(fmt.Sprintf("%040x", ordinal+1))
	return cluster.Member{
		Pod: cluster.Pod{
			Name: fmt.Sprintf("demo-%d", ordinal), Ordinal: ordinal, State: cluster.PodRunning, Host: host, Zone: zone,
			IP: fmt.Sprintf("10.0.0.%d", ordinal),
		},
		Info: &cluster.NodeInfo{LinkUp: true, Table: cluster.Table{{
			ID: id, Role: cluster.Primary, Flags: cluster.Flags{Myself: true}, Connected: true,
		}}},
	}
}

// on places pods by a word such as "aab": demo-0 and demo-1 on host a, demo-2 on b. A host's zone is its upper case
// letter, so "a1 a2 b1" are two zones with three hosts.
func on(where string) []cluster.Member {
	var members []cluster.Member
	for i, host := range strings.Fields(where) {
		members = append(members, member(i, host, strings.ToUpper(host[:1])))
	}
	return members
}

// place gives roles as a new cluster gets them, and returns the view that comes of it.
func place(members []cluster.Member, primaries, replicas int) cluster.View {
	chosen := cluster.ChoosePrimaries(nil, members, primaries, replicas)
	var vacancies []cluster.Vacancy
	for _, m := range chosen {
		vacancies = append(vacancies, cluster.Vacancy{Primary: m, Lacks: replicas})
	}
	spares := slices.DeleteFunc(slices.Clone(members), func(m cluster.Member) bool {
		return slices.ContainsFunc(chosen, func(c cluster.Member) bool { return c.Pod.Name == m.Pod.Name })
	})
	follows := make([]int, len(members))
	for _, a := range cluster.Attach(vacancies, spares) {
		follows[a.Replica.Pod.Ordinal] = 1 + slices.IndexFunc(chosen, func(c cluster.Member) bool {
			return c.Pod.Name == a.Primary.Pod.Name
		})
	}
	var primaryOrdinals []int
	for _, m := range chosen {
		primaryOrdinals = append(primaryOrdinals, m.Pod.Ordinal)
	}
	return withRoles(members, primaryOrdinals, follows)
}

// withRoles is the members with these primaries, and each other following the follows[i]th primary, from 1.
func withRoles(members []cluster.Member, primaries, follows []int) cluster.View {
	view := cluster.View{Members: slices.Clone(members)}
	for i := range view.Members {
		m := &view.Members[i]
		line := m.Info.Self()
		if at := slices.Index(primaries, m.Pod.Ordinal); at >= 0 {
			line.Slots = cluster.NewSlotSet(cluster.SlotRange{First: cluster.Slot(at), Last: cluster.Slot(at)})
		} else if follows[i] > 0 {
			line.Role = cluster.Replica
			line.PrimaryID = members[primaries[follows[i]-1]].ID()
		}
		info := *m.Info
		info.Table = cluster.Table{line}
		m.Info = &info
	}
	return view
}

// roles writes a placement as "P1 P2 r2 r1": the first pod is the first primary, the last one its replica.
func roles(v cluster.View) string {
	shards := v.Shards()
	var words []string
	for _, m := range v.Members {
		word := "-"
		for i, s := range shards {
			if s.ID == m.ID() {
				word = fmt.Sprintf("P%d", i+1)
			}
			if slices.ContainsFunc(s.Replicas, func(r cluster.Member) bool { return r.ID() == m.ID() }) {
				word = fmt.Sprintf("r%d", i+1)
			}
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func TestPlacement(t *testing.T) {
	t.Parallel()
	for sentence, c := range map[string]struct {
		where               string
		primaries, replicas int
		want                string
		quality             cluster.Quality
		message             string
	}{
		"evenly scheduled pods are crossed over": {
			"a b c a b c", 3, 1, "P1 P2 P3 r3 r1 r2", cluster.Optimal, "",
		},
		"pods in pairs are crossed over": {
			"a a b b c c", 3, 1, "P1 r3 P2 r1 P3 r2", cluster.Optimal, "",
		},
		"half of the pods on one host is still fine": {
			"a a a b b c", 3, 1, "P1 r2 r3 P2 r1 P3", cluster.Optimal, "",
		},
		"more than half on one host cannot be": {
			"a a a a b c", 3, 1, "P1 r1 r2 r3 P2 P3", cluster.BestEffort, "demo-0 and its replica demo-1 are both on host a",
		},
		"a single host has no better": {
			"a a a a", 2, 1, "P1 P2 r1 r2", cluster.Optimal, "",
		},
		"zones come before hosts": {
			"a1 a2 b1 b2", 2, 1, "P1 r2 P2 r1", cluster.Optimal, "",
		},
		"a zone with too many pods keeps replicas on other hosts": {
			"a1 a2 a3 b1", 2, 1, "P1 r1 r2 P2", cluster.BestEffort, "demo-0 and its replica demo-1 are both in zone A",
		},
		"two replicas of one primary are apart too": {
			"a b c a b c a b c", 3, 2, "P1 P2 P3 r3 r1 r1 r2 r3 r2", cluster.Optimal, "",
		},
		"no replicas are wanted": {
			"a a b", 3, 0, "P1 P2 P3", cluster.Optimal, "",
		},
		"more pods than wanted stay without a role": {
			"a b c a b c a", 3, 1, "P1 P2 P3 r3 r1 r2 -", cluster.Optimal, "",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			view := place(on(c.where), c.primaries, c.replicas)
			quality, message := view.Placement()
			if got := roles(view); got != c.want || quality != c.quality || message != c.message {
				t.Errorf("got %q %s %q, want %q %s %q", got, quality, message, c.want, c.quality, c.message)
			}
		})
	}
}

// fault is how bad a placement is: replicas on their primary's host, then in its zone, then the worst crowd.
func fault(v cluster.View) []int {
	hosts, zones := 0, 0
	for _, s := range v.Shards() {
		for _, r := range s.Replicas {
			if r.Pod.Host == s.Primary.Pod.Host {
				hosts++
			}
			if r.Pod.Zone == s.Primary.Pod.Zone {
				zones++
			}
		}
	}
	return []int{
		hosts, zones,
		crowding(v, func(p cluster.Pod) string { return p.Zone }),
		crowding(v, func(p cluster.Pod) string { return p.Host }),
	}
}

// crowding is the sum of the squares of the numbers of primaries at each place.
func crowding(v cluster.View, of func(cluster.Pod) string) int {
	counts := map[string]int{}
	sum := 0
	for _, s := range v.Shards() {
		at := of(s.Primary.Pod)
		sum += 2*counts[at] + 1
		counts[at]++
	}
	return sum
}

// everyPlacement calls with each way to choose primaries and give them all their replicas.
func everyPlacement(members []cluster.Member, primaries, replicas int, with func(cluster.View)) {
	var roles func(at int, chosen, follows []int)
	roles = func(at int, chosen, follows []int) {
		if at == len(members) {
			if len(chosen) == primaries {
				everyFollowing(members, chosen, replicas, with)
			}
			return
		}
		if len(chosen) < primaries {
			roles(at+1, append(slices.Clone(chosen), at), follows)
		}
		roles(at+1, chosen, follows)
	}
	roles(0, nil, nil)
}

func everyFollowing(members []cluster.Member, chosen []int, replicas int, with func(cluster.View)) {
	follows := make([]int, len(members))
	left := slices.Repeat([]int{replicas}, len(chosen))
	var follow func(at int)
	follow = func(at int) {
		if at == len(members) {
			if slices.Max(left) == 0 {
				with(withRoles(members, chosen, follows))
			}
			return
		}
		if slices.Contains(chosen, at) {
			follow(at + 1)
			return
		}
		for p := range left {
			if left[p] > 0 {
				left[p]--
				follows[at] = p + 1
				follow(at + 1)
				follows[at] = 0
				left[p]++
			}
		}
	}
	follow(0)
}

// scheduled draws pods on hosts in zones, as a scheduler without any constraint could put them.
func scheduled(t *rapid.T, pods int) []cluster.Member {
	zoneOf := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 4, 4).Draw(t, "zone of each host")
	var members []cluster.Member
	for i := range pods {
		host := rapid.IntRange(0, 3).Draw(t, "host")
		members = append(members, member(i, fmt.Sprintf("%s%d", zoneOf[host], host), strings.ToUpper(zoneOf[host])))
	}
	return members
}

func describe(members []cluster.Member) string {
	var words []string
	for _, m := range members {
		words = append(words, m.Pod.Host)
	}
	return strings.Join(words, " ")
}

func TestPlacement_NoneIsBetter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([][2]int{{1, 1}, {2, 1}, {3, 1}, {1, 2}, {2, 2}, {1, 3}, {3, 0}}).Draw(t, "primaries, replicas")
		members := scheduled(t, size[0]*(1+size[1]))
		view := place(members, size[0], size[1])
		got := fault(view)
		quality, message := view.Placement()
		everyPlacement(members, size[0], size[1], func(other cluster.View) {
			if want := fault(other); slices.Compare(want, got) < 0 {
				t.Fatalf("%s: got %s with %v, better is %s with %v", describe(members), roles(view), got, roles(other), want)
			}
			if quality == cluster.Optimal {
				return
			}
			if better, _ := other.Placement(); better == cluster.Optimal {
				t.Fatalf("%s: %s is %s: %s; %s is Optimal", describe(members), roles(view), quality, message, roles(other))
			}
		})
	})
}

func TestPlacement_ThreeHostsAreOptimalWheneverTheyCanBe(t *testing.T) {
	t.Parallel()
	for n := range 3 * 3 * 3 * 3 * 3 * 3 {
		var where []string
		counts := [3]int{}
		for range 6 {
			where = append(where, string(rune('a'+n%3)))
			counts[n%3]++
			n /= 3
		}
		want := cluster.Optimal
		if slices.Max(counts[:]) > 3 && slices.Max(counts[:]) < 6 { // with all of them on one, no other host is known
			want = cluster.BestEffort
		}
		view := place(on(strings.Join(where, " ")), 3, 1)
		if got, message := view.Placement(); got != want {
			t.Errorf("%v: %s is %s: %s", where, roles(view), got, message)
		}
	}
}

func TestChoosePrimaries_GoesOnAsItBegan(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		primaries, replicas := rapid.IntRange(1, 6).Draw(t, "primaries"), rapid.IntRange(0, 3).Draw(t, "replicas")
		members := scheduled(t, primaries*(1+replicas)+rapid.IntRange(0, 3).Draw(t, "surplus"))
		whole := cluster.ChoosePrimaries(nil, members, primaries, replicas)
		var standing []cluster.Member
		for _, m := range whole {
			if rapid.Bool().Draw(t, "stands") {
				standing = append(standing, m)
			}
		}
		free := slices.DeleteFunc(rapid.Permutation(members).Draw(t, "free"), func(m cluster.Member) bool {
			return slices.ContainsFunc(standing, func(s cluster.Member) bool { return s.Pod.Name == m.Pod.Name })
		})
		rest := cluster.ChoosePrimaries(standing, free, primaries, replicas)
		if got := podNames(slices.Concat(standing, rest)); !slices.Equal(got, podNames(whole)) {
			t.Errorf("%s: %v, but with %v standing %v", describe(members), podNames(whole), podNames(standing), got)
		}
	})
}

func podNames(members []cluster.Member) []string {
	var names []string
	for _, m := range members {
		names = append(names, m.Pod.Name)
	}
	slices.Sort(names)
	return names
}

func TestAttach_Large(t *testing.T) {
	t.Parallel()
	var where []string
	for i := range 1000 {
		where = append(where, fmt.Sprintf("%c%d", 'a'+i%3, i%50))
	}
	view := place(on(strings.Join(where, " ")), 500, 1)
	if quality, message := view.Placement(); quality != cluster.Optimal {
		t.Error(message)
	}
}
