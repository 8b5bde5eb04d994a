package cluster_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// sharding is the members as shards: the ith of so many primaries owns the ith set, and has the next of the others as
// its replicas, in turn.
func sharding(members []cluster.Member, owned []cluster.SlotSet) cluster.View {
	var primaries []int
	follows := make([]int, len(members))
	for i := range members {
		if i < len(owned) {
			primaries = append(primaries, i)
		} else {
			follows[i] = i%len(owned) + 1
		}
	}
	v := withRoles(members, primaries, follows)
	for i := range owned {
		v.Members[i].Info.Table[0].Slots = owned[i]
	}
	return v
}

// sized is sets of these sizes, one after the other.
func sized(sizes ...int) []cluster.SlotSet {
	sets := make([]cluster.SlotSet, len(sizes))
	rest := cluster.AllSlots()
	for i, n := range sizes {
		sets[i] = rest.Take(n)
		rest = rest.Minus(sets[i])
	}
	return sets
}

func podsOf(v cluster.View, ids []cluster.NodeID) string {
	var names []string
	for _, id := range ids {
		m, _ := v.Member(id)
		names = append(names, m.Pod.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestView_ChooseLeaving(t *testing.T) {
	t.Parallel()
	heavy := &cluster.Weights{}
	heavy[0], heavy[1000] = 1e9, 1e9-1e5
	for sentence, c := range map[string]struct {
		where   string
		owned   []cluster.SlotSet
		n       int
		weights *cluster.Weights
		want    string
	}{
		"the one that owns the least leaves":            {"a b c d", sized(4097, 4095, 4095, 4000), 1, nil, "demo-3"},
		"the two that own the least leave":              {"a b c d", sized(100, 9000, 99, 7185), 2, nil, "demo-0 demo-2"},
		"of equals it is the highest ordinal":           {"a b c", sized(5461, 5461, 5461), 1, nil, "demo-2"},
		"one slot is no difference":                     {"a b c", sized(5461, 5461, 5462), 1, nil, "demo-2"},
		"sixteen slots are":                             {"a b c", sized(5461, 5453, 5469), 1, nil, "demo-1"},
		"it leaves the zone where most are":             {"a1 a2 b1", sized(5462, 5461, 5461), 1, nil, "demo-1"},
		"it leaves the host where most are":             {"a1 a1 a2", sized(5462, 5461, 5461), 1, nil, "demo-1"},
		"two of them leave a host each":                 {"a1 a1 a2 a2", sized(4096, 4096, 4096, 4096), 2, nil, "demo-1 demo-3"},
		"two of them leave a zone each":                 {"a1 a2 b1 b2", sized(4096, 4096, 4096, 4096), 2, nil, "demo-1 demo-3"},
		"zones come before hosts":                       {"a1 a2 a3 b1 b1", sized(3277, 3277, 3277, 3277, 3276), 1, nil, "demo-2"},
		"slots come before places":                      {"a1 a1 b1", sized(5461, 5461, 5000), 1, nil, "demo-2"},
		"a replica beside its primary comes before":     {"a b c a c d", sized(5462, 5461, 5461), 1, nil, "demo-0"},
		"a replica in its primary's zone, too":          {"a1 b1 c1 d1 b2 e1", sized(5462, 5461, 5461), 1, nil, "demo-1"},
		"nobody leaves":                                 {"a b", sized(8192, 8192), 0, nil, ""},
		"less than nobody leaves":                       {"a b", sized(8192, 8192), -1, nil, ""},
		"nobody is left":                                {"a b", sized(8192, 8192), 3, nil, "demo-0 demo-1"},
		"there is nobody":                               {"", nil, 1, nil, ""},
		"by weight it is the one with the least":        {"a b c", sized(1000, 10000, 5384), 1, heavy, "demo-2"},
		"by weight as much as another is near it":       {"a b c", sized(1000, 10000, 5384), 2, heavy, "demo-1 demo-2"},
		"by weight nobody has anything":                 {"a b c", sized(1000, 10000, 5384), 1, &cluster.Weights{}, "demo-0"},
		"a place that is not known is not a crowd":      {"? ? a1 b1", sized(4096, 4096, 4096, 4096), 1, nil, "demo-3"},
		"who has been drained half stays chosen":        {"a1 a2 b1 b2", sized(5000, 5000, 5000, 1384), 1, nil, "demo-3"},
		"who has been drained leaves before the others": {"a1 a2 b1 b2", sized(5000, 1384, 5000, 5000), 2, nil, "demo-1 demo-3"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			v := sharding(on(c.where), c.owned)
			for i := range v.Members {
				if pod := &v.Members[i].Pod; pod.Host == "?" {
					pod.Host, pod.Zone = "", ""
				}
			}
			v.Weights = c.weights
			if got := podsOf(v, v.ChooseLeaving(c.n)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// anyShards draws a placed cluster whose shards own much the same, or not at all.
func anyShards(t *rapid.T) cluster.View {
	size := rapid.IntRange(2, 7).Draw(t, "shards")
	members := scheduled(t, size*(1+rapid.IntRange(0, 2).Draw(t, "replicas")))
	sizes := make([]int, size)
	differ := rapid.SampledFrom([]int{0, 1, 30, 1000}).Draw(t, "differ")
	for i := range sizes {
		sizes[i] = cluster.SlotCount/size - rapid.IntRange(0, min(differ, cluster.SlotCount/size-1)).Draw(t, "less")
	}
	return sharding(members, sized(sizes...))
}

// staying is the view without these shards.
func staying(v cluster.View, ids []cluster.NodeID) cluster.View {
	return cluster.View{Members: slices.DeleteFunc(slices.Clone(v.Members), func(m cluster.Member) bool {
		return slices.Contains(ids, m.ID()) || slices.Contains(ids, m.Follows())
	})}
}

func TestView_ChooseLeaving_NoneIsBetter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := anyShards(t)
		shards := v.Shards()
		if rest := v.Uncovered(); !rest.IsEmpty() { // so that sixteen slots are a 1024th
			table := v.Members[0].Info.Table
			table[0].Slots = table[0].Slots.Union(rest)
			shards = v.Shards()
		}
		n := rapid.IntRange(1, len(shards)).Draw(t, "leave")
		got := v.ChooseLeaving(n)
		if len(got) != n {
			t.Fatalf("%d are to leave, and it is %v", n, got)
		}
		members := rapid.Permutation(v.Members).Draw(t, "members")
		if again := (cluster.View{Members: members}).ChooseLeaving(n); !slices.Equal(again, got) {
			t.Fatalf("in another order it is %v, not %v", again, got)
		}
		sizes := map[cluster.NodeID]int{}
		var sorted []int
		for _, s := range shards {
			sizes[s.ID] = (s.Slots.Len() + 4) / 16
			sorted = append(sorted, sizes[s.ID])
		}
		slices.Sort(sorted)
		least := sum(sorted[:n])
		units := 0
		for _, id := range got {
			units += sizes[id]
		}
		if units != least {
			t.Fatalf("%d units leave, %d would do: %v", units, least, sorted)
		}
		for set := range 1 << len(shards) {
			var other []cluster.NodeID
			units := 0
			for i, s := range shards {
				if set&(1<<i) != 0 {
					other = append(other, s.ID)
					units += sizes[s.ID]
				}
			}
			if len(other) != n || units > least {
				continue
			}
			if want, have := fault(staying(v, other)), fault(staying(v, got)); slices.Compare(want, have) < 0 {
				t.Fatalf("%s: %s leave with %v, %s would with %v", describe(v.Members), podsOf(v, got), have, podsOf(v, other), want)
			}
		}
	})
}

func sum(numbers []int) int {
	total := 0
	for _, n := range numbers {
		total += n
	}
	return total
}

// Who leaves stays chosen, whatever part of its slots has gone; also when the spec asks for less to leave, or for more.
func TestView_ChooseLeaving_StaysWithIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := anyShards(t)
		shards := v.Shards()
		n := rapid.IntRange(1, len(shards)-1).Draw(t, "leave")
		leaving := v.ChooseLeaving(n)
		holdings := make([]cluster.Holding, len(shards))
		for i, s := range shards {
			holdings[i] = cluster.Holding{Node: s.ID, Slots: s.Slots, Leaves: slices.Contains(leaving, s.ID)}
		}
		rng := dice(t)
		for range 4 {
			holdings = after(holdings, part(rng, cluster.Balance(holdings, nil)))
			left := 0
			for i := range holdings {
				m := &v.Members[slices.IndexFunc(v.Members, func(m cluster.Member) bool { return m.ID() == holdings[i].Node })]
				table := slices.Clone(m.Info.Table)
				table[0].Slots = holdings[i].Slots
				info := *m.Info
				info.Table, m.Info = table, &info
				if holdings[i].Leaves && !holdings[i].Slots.IsEmpty() {
					left++
				}
			}
			again := v.ChooseLeaving(left)
			for _, id := range again {
				if !slices.Contains(leaving, id) {
					t.Fatalf("%s: %s leave, then %s", describe(v.Members), podsOf(v, leaving), podsOf(v, again))
				}
			}
		}
	})
}

func BenchmarkView_ChooseLeaving(b *testing.B) {
	var members []cluster.Member
	for i := range 1000 {
		members = append(members, member(i, fmt.Sprintf("h%d", i%50), fmt.Sprintf("z%d", i%3)))
	}
	var sizes []int
	for range members {
		sizes = append(sizes, 16)
	}
	v := sharding(members, sized(sizes...)).Studied()
	for b.Loop() {
		if len(v.ChooseLeaving(500)) != 500 {
			b.Fatal("not enough leave")
		}
	}
}
