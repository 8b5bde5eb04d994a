package cluster_test

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// spreadOut is a view of shards, each given as the hosts of its primary and its replicas: "a1" is host a1 in zone a.
func spreadOut(shards ...[]string) cluster.View {
	var v cluster.View
	size := cluster.SlotCount / len(shards)
	for i, hosts := range shards {
		primary := cluster.NodeID(fmt.Sprintf("%040d", i*100))
		for j, host := range hosts {
			self := cluster.Node{
				ID: cluster.NodeID(fmt.Sprintf("%040d", i*100+j)), Role: cluster.Replica, PrimaryID: primary,
				Flags: cluster.Flags{Myself: true},
			}
			if j == 0 {
				self.Role, self.PrimaryID = cluster.Primary, ""
				first := cluster.Slot(i * size)
				self.Slots = cluster.NewSlotSet(cluster.SlotRange{First: first, Last: first + cluster.Slot(size) - 1})
			}
			v.Members = append(v.Members, cluster.Member{
				Pod: cluster.Pod{
					Name: fmt.Sprintf("demo-%d", len(v.Members)), Ordinal: len(v.Members), Host: host, Zone: host[:1],
					State: cluster.PodRunning,
				},
				Info: &cluster.NodeInfo{Table: cluster.Table{self}, LinkUp: true},
			})
		}
	}
	return v
}

// handOver swaps the roles of two members.
func handOver(v cluster.View, h cluster.Handover) cluster.View {
	next := cluster.View{Hosts: v.Hosts}
	for _, m := range v.Members {
		info := *m.Info
		self := info.Table[0]
		switch {
		case m.Pod.Name == h.Replica.Pod.Name:
			self.Role, self.PrimaryID, self.Slots = cluster.Primary, "", h.Primary.Info.Table[0].Slots
		case m.Pod.Name == h.Primary.Pod.Name:
			self.Role, self.PrimaryID, self.Slots = cluster.Replica, h.Replica.ID(), cluster.SlotSet{}
		case self.PrimaryID == h.Primary.ID():
			self.PrimaryID = h.Replica.ID()
		}
		info.Table = cluster.Table{self}
		m.Info = &info
		next.Members = append(next.Members, m)
	}
	return next
}

// spread is how good the roles are placed: replicas beside their primaries on hosts and in zones, then how many primaries
// there are in zones and on hosts, squared.
func spread(v cluster.View) []int {
	score := make([]int, 4)
	zones, hosts := map[string]int{}, map[string]int{}
	for _, s := range v.Shards() {
		zones[s.Primary.Pod.Zone]++
		hosts[s.Primary.Pod.Host]++
		for _, r := range s.Replicas {
			if r.Pod.Host == s.Primary.Pod.Host {
				score[0]++
			}
			if r.Pod.Zone == s.Primary.Pod.Zone {
				score[1]++
			}
		}
	}
	for _, n := range zones {
		score[2] += n * n
	}
	for _, n := range hosts {
		score[3] += n * n
	}
	return score
}

func TestFailback(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		view cluster.View
		want []string // "demo-0 to demo-1"
	}{
		"a good placement stays": {spreadOut([]string{"a1", "b1"}, []string{"b1", "c1"}, []string{"c1", "a1"}), nil},
		"a role goes back to where nobody is": {
			spreadOut([]string{"b1", "a1"}, []string{"b1", "c1"}, []string{"c1", "a1"}), []string{"demo-0 to demo-1"},
		},
		"by way of another shard": {
			spreadOut([]string{"a1", "b1"}, []string{"a1", "b1"}, []string{"b1", "c1"}), []string{"demo-4 to demo-5", "demo-0 to demo-1"},
		},
		"away from its replica first": {
			spreadOut([]string{"a1", "a1", "b1"}, []string{"b1", "c1", "c1"}, []string{"c1", "a1", "a1"}), []string{"demo-0 to demo-2"},
		},
		"one host has nothing to choose from": {spreadOut([]string{"a1", "a1"}, []string{"a1", "a1"}), nil},
		"what roles cannot mend stays":        {spreadOut([]string{"a1", "a1"}, []string{"b1", "b1"}, []string{"c1", "c1"}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for v := tc.view; ; {
				h, ok := v.Failback()
				if !ok || len(got) > 5 {
					break
				}
				got = append(got, h.Primary.Pod.Name+" to "+h.Replica.Pod.Name)
				v = handOver(v, h)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// A replica that is not in sync, or does not stay, takes nobody's place.
func TestFailback_OnlyToSyncedReplicas(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*cluster.Member){
		"link down":   func(m *cluster.Member) { m.Info.LinkUp = false },
		"loading":     func(m *cluster.Member) { m.Info.Loading = true },
		"terminating": func(m *cluster.Member) { m.Pod.State = cluster.PodTerminating },
		"not seen":    func(m *cluster.Member) { m.Info = nil },
		"disk full":   func(m *cluster.Member) { m.Info.WriteFault = "aof_last_write_status:err" },
	} {
		v := spreadOut([]string{"b1", "a1"}, []string{"b1", "c1"}, []string{"c1", "b1"})
		spoil(&v.Members[1])
		if h, ok := v.Failback(); ok {
			t.Errorf("%s: %s to %s", name, h.Primary.Pod.Name, h.Replica.Pod.Name)
		}
	}
}

// From wherever roles are, it comes to an end after a few handovers for each shard, no spread comes twice, the end is better than the beginning, and it is the same whatever order things are seen in.
func TestFailback_EndsAndImproves(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		host := rapid.SampledFrom([]string{"a1", "a2", "b1", "b2", "b3", "c1"}[:rapid.IntRange(1, 6).Draw(t, "hosts")])
		shards := rapid.SliceOfN(rapid.SliceOfN(host, 1, 4), 1, 8).Draw(t, "shards")
		v := spreadOut(shards...)
		seen := [][]string{primaries(v)}
		start := spread(v)
		for range 4*len(shards) + 1 {
			h, ok := v.Failback()
			if !ok {
				quality, _ := v.Placement()
				if len(seen) > 1 && quality != cluster.Optimal && slices.Compare(spread(v), start) >= 0 {
					t.Fatalf("%v after %d handovers is no better than %v", spread(v), len(seen)-1, start)
				}
				return
			}
			shuffled := cluster.View{Members: slices.Clone(v.Members)}
			slices.Reverse(shuffled.Members)
			if again, _ := shuffled.Studied().Failback(); !reflect.DeepEqual(again.Replica.Pod, h.Replica.Pod) {
				t.Fatalf("%s, and in another order %s", h.Replica.Pod.Name, again.Replica.Pod.Name)
			}
			v = handOver(v, h)
			now := primaries(v)
			if slices.ContainsFunc(seen, func(before []string) bool { return slices.Equal(before, now) }) {
				t.Fatalf("it is where it was before: %v", now)
			}
			seen = append(seen, now)
		}
		t.Fatalf("it goes on and on: %v", seen)
	})
}

// primaries is the pods of the primaries, sorted.
func primaries(v cluster.View) []string {
	var pods []string
	for _, s := range v.Shards() {
		pods = append(pods, s.Primary.Pod.Name)
	}
	slices.SortFunc(pods, cmp.Compare)
	return pods
}
