package cluster_test

import (
	"fmt"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// line is a node as a table lists it.
func line(t testing.TB, name byte, epoch uint64, slots string) cluster.Node {
	t.Helper()
	return cluster.Node{
		ID: id(name), Role: cluster.Primary, ConfigEpoch: epoch, Connected: true, Slots: set(t, slots),
		Addr: cluster.Addr{IP: "10.0.0." + string(name), Port: 6379, BusPort: 16379},
	}
}

func id(name byte) cluster.NodeID { return cluster.NodeID(fmt.Sprintf("%039d%c", 0, name)) }

// said is a member that was seen: its own line first, then the others.
func said(lines ...cluster.Node) cluster.Member {
	lines[0].Flags.Myself = true
	return cluster.Member{Pod: cluster.Pod{Name: "demo-" + string(lines[0].ID[39:])}, Info: &cluster.NodeInfo{Table: lines}}
}

func TestView_Owners(t *testing.T) {
	t.Parallel()
	n := func(name byte, epoch uint64, slots string) cluster.Node { return line(t, name, epoch, slots) }
	following := n('c', 1, "")
	following.Role, following.PrimaryID = cluster.Replica, id('a')
	for sentence, c := range map[string]struct {
		members                        []cluster.Member
		owners                         string
		uncovered, unserved, contested string
	}{
		"a node says what it owns": {
			[]cluster.Member{said(n('a', 1, "0-9")), said(n('b', 2, "10-16383"))}, "a:0-9 b:10-16383", "", "", "",
		},
		"others may not know it yet": {
			[]cluster.Member{said(n('a', 1, "0-16383")), said(n('b', 0, ""), n('a', 0, "5"))}, "a:0-16383", "", "", "",
		},
		"others may believe what is long over": {
			[]cluster.Member{said(n('a', 1, "0-9")), said(n('b', 2, "10-16383"), n('a', 1, "0-12"))}, "a:0-9 b:10-16383", "", "", "",
		},
		"of a node that was not seen others are believed": {
			[]cluster.Member{said(n('a', 1, "0-9"), n('z', 2, "10-16383")), {}}, "a:0-9 z:10-16383?", "", "10-16383", "",
		},
		"of a node that was not seen the newest is believed": {
			[]cluster.Member{said(n('a', 1, "0-9"), n('z', 2, "10-16383")), said(n('b', 3, ""), n('z', 4, "11-16383"))},
			"a:0-9 z:11-16383?", "10", "10-16383", "",
		},
		"the higher epoch wins a slot": {
			[]cluster.Member{said(n('a', 1, "0-16383")), said(n('b', 2, "7"))}, "a:0-6,8-16383 b:7", "", "", "7",
		},
		"the lower ID wins when epochs are the same": {
			[]cluster.Member{said(n('b', 2, "7-16383")), said(n('a', 2, "0-8"))}, "a:0-8 b:9-16383", "", "", "7-8",
		},
		"a promoted replica wins over its dead primary": {
			[]cluster.Member{said(n('b', 7, "0-16383"), n('z', 1, "0-16383"))}, "b:0-16383", "", "", "0-16383",
		},
		"a replica owns nothing": {
			[]cluster.Member{said(following), said(n('a', 1, "1-16383"))}, "a:1-16383", "0", "0", "",
		},
		"nothing is known of an empty view": {nil, "", "0-16383", "0-16383", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			view := cluster.View{Members: c.members}
			owners := ""
			for _, o := range view.Owners() {
				if owners += " " + string(o.Node[39:]) + ":" + o.Slots.String(); o.Hearsay {
					owners += "?"
				}
			}
			got := []string{owners, view.Uncovered().String(), view.Unserved().String(), view.Contested().String()}
			want := []string{owners, c.uncovered, c.unserved, c.contested}
			if want[0] = ""; c.owners != "" {
				want[0] = " " + c.owners
			}
			for i := range got {
				if got[i] != want[i] {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
}

func TestView_Shards(t *testing.T) {
	t.Parallel()
	replica := func(name, primary byte) cluster.Node {
		r := line(t, name, 1, "")
		r.Role, r.PrimaryID = cluster.Replica, id(primary)
		return r
	}
	view := cluster.View{Members: []cluster.Member{
		said(line(t, 'a', 1, "100-16383")),
		said(replica('c', 'a')),
		said(replica('d', 'z'), line(t, 'z', 3, "0-99")), // its primary was not seen
		said(replica('e', 'y')),                          // its primary owns nothing
		said(line(t, 'f', 0, "")),
		{Pod: cluster.Pod{Name: "demo-6"}},
	}}
	got := ""
	for _, s := range view.Shards() {
		got += fmt.Sprintf("%s %s %q:", s.ID[39:], s.Slots, s.Primary.Pod.Name)
		for _, r := range s.Replicas {
			got += " " + r.Pod.Name
		}
		got += "\n"
	}
	want := "z 0-99 \"\": demo-d\na 100-16383 \"demo-a\": demo-c\n"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if view.Claimed(id('f')) || !view.Claimed(id('z')) || view.Claimed(id('y')) {
		t.Error("Claimed is wrong")
	}
}

func TestView_Ghosts(t *testing.T) {
	t.Parallel()
	flagged := func(flags cluster.Flags, connected, awaited bool) cluster.Node {
		n := line(t, 'z', 1, "5")
		n.Flags, n.Connected, n.Awaited = flags, connected, awaited
		return n
	}
	alive := flagged(cluster.Flags{}, true, false)
	failed := flagged(cluster.Flags{Fail: true}, false, true)
	suspected := flagged(cluster.Flags{PFail: true}, true, true)
	silent := flagged(cluster.Flags{}, true, true)
	nowhere := flagged(cluster.Flags{NoAddr: true}, false, false)
	nowhere.Addr = cluster.Addr{}
	for sentence, c := range map[string]struct {
		lines            []cluster.Node
		answers, givenUp bool
	}{
		"a node that answers is alive":                      {[]cluster.Node{alive}, true, false},
		"a node that answers one of two is alive":           {[]cluster.Node{failed, alive}, true, false},
		"a node that all know to have failed is given up":   {[]cluster.Node{failed, failed}, false, true},
		"a node without an address is given up":             {[]cluster.Node{nowhere}, false, true},
		"a node that is suspected is neither":               {[]cluster.Node{suspected}, false, false},
		"a node that has not answered yet is neither":       {[]cluster.Node{silent}, false, false},
		"a node that only one has given up is not given up": {[]cluster.Node{failed, silent}, false, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			var view cluster.View
			for i, l := range c.lines {
				view.Members = append(view.Members, said(line(t, byte('a'+i), 1, ""), l))
			}
			ghosts := view.Ghosts()
			if len(ghosts) != 1 || ghosts[0].ID != id('z') || len(ghosts[0].KnownBy) != len(c.lines) ||
				ghosts[0].Answers != c.answers || ghosts[0].GivenUp != c.givenUp || ghosts[0].Slots.String() != "5" {
				t.Errorf("got %+v", ghosts)
			}
		})
	}
	handshake := flagged(cluster.Flags{Handshake: true}, false, false)
	if g := (cluster.View{Members: []cluster.Member{said(line(t, 'a', 1, ""), handshake, line(t, 'b', 1, "")), said(line(t, 'b', 1, ""))}}).Ghosts(); g != nil {
		t.Errorf("neither a handshake nor a member is a ghost: %+v", g)
	}
}

func TestMember_Live(t *testing.T) {
	t.Parallel()
	info := &cluster.NodeInfo{}
	for sentence, c := range map[string]struct {
		member cluster.Member
		want   bool
	}{
		"a node that answers":           {cluster.Member{Info: info, Pod: cluster.Pod{State: cluster.PodRunning}}, true},
		"one whose pod is late to say":  {cluster.Member{Info: info}, true},
		"one that was not seen":         {cluster.Member{Pod: cluster.Pod{State: cluster.PodRunning}}, false},
		"one that is asked to stop":     {cluster.Member{Info: info, Pod: cluster.Pod{State: cluster.PodTerminating}}, false},
		"one whose pod has ended":       {cluster.Member{Info: info, Pod: cluster.Pod{State: cluster.PodEnded}}, false},
		"one that still loads its data": {cluster.Member{Info: &cluster.NodeInfo{Loading: true}}, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			if got := c.member.Live(); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
