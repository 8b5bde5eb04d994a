package witness

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// whole is a look at three primaries and a replica of each, on three hosts.
func whole() Look {
	var table strings.Builder
	hosts := []string{"a", "b", "c", "b", "c", "a"}
	slots := []string{"0-5461", "5462-10922", "10923-16383"}
	for i := range hosts {
		role, primary, owned := "master", "-", ""
		if i < 3 {
			owned = slots[i]
		} else {
			role, primary = "slave", fmt.Sprintf("id%d", i-3)
		}
		fmt.Fprintf(&table, "id%d 10.0.0.%d:6379@16379 %s %s 0 0 1 connected %s\n", i, i, role, primary, owned)
	}
	var look Look
	for i, host := range hosts {
		own := fmt.Sprintf("id%d 10.0.0.%d:6379@16379 ", i, i)
		look.Seen = append(look.Seen, Seen{
			Pod:     Pod{Name: fmt.Sprintf("demo-%d", i), IP: fmt.Sprintf("10.0.0.%d", i), Host: host, Ready: true},
			Table:   ReadNodes(strings.Replace(table.String(), own, own+"myself,", 1)),
			StateOK: true, LinkUp: i > 2,
		})
	}
	return look
}

// node is the line of a node in the eyes of a pod.
func (l Look) node(pod, of int) *Node { return &l.Seen[pod].Table[of] }

// each changes the line of a node in the eyes of all.
func (l Look) each(of int, change func(*Node)) {
	for i := range l.Seen {
		change(l.node(i, of))
	}
}

func TestLook_Whole(t *testing.T) {
	t.Parallel()
	if err := whole().Whole(6); err != nil {
		t.Fatalf("a whole cluster is not: %v", err)
	}
	for what, change := range map[string]func(Look){
		"a pod is not ready":                func(l Look) { l.Seen[4].Pod.Ready = false },
		"a pod is going":                    func(l Look) { l.Seen[4].Pod.Going = true },
		"a node does not answer":            func(l Look) { l.Seen[4].Table = nil },
		"a node finds it not in order":      func(l Look) { l.Seen[4].StateOK = false },
		"a replica has no link":             func(l Look) { l.Seen[4].LinkUp = false },
		"a node is known at an old address": func(l Look) { l.node(0, 4).Addr = "10.9.9.9:6379@16379" },
		"a node is taken for dead":          func(l Look) { l.node(0, 4).flags = append(l.node(0, 4).flags, "fail?") },
		"slots are missing":                 func(l Look) { l.node(0, 1).slots = nil },
		"a node is not known":               func(l Look) { l.Seen[0].Table = l.Seen[0].Table[:5] },
	} {
		l := whole()
		change(l)
		if l.Whole(6) == nil {
			t.Errorf("%s, and yet it is whole", what)
		}
	}
	if whole().Whole(5) == nil {
		t.Error("six pods are five")
	}
}

// lasts shows a judge the same for so long, after a moment of a whole cluster, and gives what it says of it.
func lasts(l Look, d time.Duration) []error {
	j := newJudge(10 * time.Second)
	before := whole()
	before.At = start
	said := j.look(before)
	for at := time.Duration(0); at <= d; at += time.Second {
		l.At = start.Add(time.Second + at)
		said = append(said, j.look(l)...)
	}
	return said
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		change func(Look)
		may    time.Duration // how long it may last
		says   string
	}{
		"a node sees slots that nobody serves": {
			func(l Look) { l.node(0, 1).slots = nil }, 10 * time.Second, "I1: not all slots are served in the eyes of demo-0",
		},
		"the owner of slots is dead": {
			func(l Look) { l.each(1, func(n *Node) { n.flags = append(n.flags, "fail") }) },
			10 * time.Second, "I1: not all slots are served",
		},
		"two serve a slot": {
			func(l Look) { l.node(1, 1).slots = append(l.node(1, 1).slots, slotRange{5, 5}) },
			10 * time.Second, "I1: demo-0 and demo-1 both serve",
		},
		"a slot is half-way": {
			func(l Look) { l.node(2, 2).open = []string{"[16000->-id0]"} }, time.Minute, "I2: demo-2 has [16000->-id0] open",
		},
		"a replica is on its primary's host": {
			func(l Look) { l.Seen[3].Pod.Host, l.Seen[5].Pod.Host = "a", "b" }, 3 * time.Minute, "I5",
		},
		"half of the primaries are on one host": {
			func(l Look) { l.Seen[1].Pod.Host, l.Seen[5].Pod.Host = "a", "b" }, 3 * time.Minute, "I5",
		},
		"a stranger is known": {
			func(l Look) {
				l.Seen[0].Table = append(l.Seen[0].Table, ReadNodes("x 10.9.9.9:6379@16379 master - 0 0 9 connected\n")...)
			}, 10 * time.Second, "I6: demo-0 knows node x",
		},
	} {
		l := whole()
		c.change(l)
		if said := lasts(l, c.may); len(said) > 0 {
			t.Errorf("%s for %s: %v", what, c.may, said)
		}
		said := lasts(l, c.may+2*time.Second)
		if len(said) == 0 || !strings.Contains(said[0].Error(), c.says) {
			t.Errorf("%s for longer than %s: %v, want %q", what, c.may, said, c.says)
		}
	}
}

func TestJudge_SaysNothingOfWhatCannotBeHelped(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(Look){
		"all is well":         func(Look) {},
		"a node is not there": func(l Look) { l.Seen[4].Table = nil },
		"all pods are on one host": func(l Look) {
			for i := range l.Seen {
				l.Seen[i].Pod.Host = "a"
			}
		},
		"a former node is taken for dead": func(l Look) {
			l.Seen[0].Table = append(l.Seen[0].Table, ReadNodes("x 10.9.9.9:6379@16379 master,fail - 0 0 9 connected\n")...)
		},
	} {
		l := whole()
		change(l)
		if said := lasts(l, 5*time.Minute); len(said) > 0 {
			t.Errorf("%s: %v", what, said)
		}
	}
}

func TestJudge_ForgivesWhatHeals(t *testing.T) {
	t.Parallel()
	j := newJudge(10 * time.Second)
	broken := whole()
	broken.node(0, 1).slots = nil
	for second := range 60 {
		l := whole()
		if second%9 > 0 {
			l = broken
		}
		l.At = start.Add(time.Duration(second) * time.Second)
		if said := j.look(l); len(said) > 0 {
			t.Fatalf("second %d: %v", second, said)
		}
	}
}
