package plugin

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTreeFootnotes(t *testing.T) {
	t.Parallel()
	for name, live := range map[string]func([]LiveInfo) []LiveInfo{
		"tree_forbidden": func(live []LiveInfo) []LiveInfo {
			for i := range live {
				live[i].Info, live[i].Err = Info{}, ErrForbidden
			}
			return live
		},
		"tree_some_silent": func(live []LiveInfo) []LiveInfo {
			live[1].Err, live[4].Err, live[5].Err = errors.New("no answer in 5s"), errors.New("no answer in 5s"), errors.New("redis: LOADING")
			return live
		},
		"tree_failed_over": func(live []LiveInfo) []LiveInfo {
			live[0].Info.Role, live[5].Info.Role = "replica", "primary"
			live[2].Info.MaxMemory = 0
			return live
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rc := converged("default", "demo")
			golden(t, name, Tree(rc, live(answers(rc)), OutputTable, now))
		})
	}
}

func TestTreeIsDeterministic(t *testing.T) {
	t.Parallel()
	want := Tree(troubled(), answers(troubled()), OutputWide, now)
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		rc := troubled()
		live := answers(rc)
		random.Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })
		nodes := rc.Status.Nodes
		random.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
		if got := Tree(rc, live, OutputWide, now); got != want {
			t.Fatalf("shuffled nodes give\n%s\nwant\n%s", got, want)
		}
	}
}

func TestTreeHasEveryNodeOnce(t *testing.T) {
	t.Parallel()
	rc := troubled()
	text, _, _ := strings.Cut(Tree(rc, nil, OutputTable, now), "\n\n")
	for _, n := range rc.Status.Nodes {
		count := 0
		for line := range strings.Lines(text) {
			for field := range strings.FieldsSeq(strings.TrimLeft(line, "├└─ ")) {
				if field == n.PodName {
					count++
				}
				break
			}
		}
		if count != 1 {
			t.Errorf("%s has %d lines in\n%s", n.PodName, count, text)
		}
	}
}

// Every cell starts, or ends, where its title does: also with the limbs of the tree, which are not ASCII.
func TestGridAligns(t *testing.T) {
	t.Parallel()
	rc := troubled()
	text, _, _ := strings.Cut(Tree(rc, answers(rc), OutputWide, now), "\n\n")
	lines := strings.Split(text, "\n")
	for _, title := range []string{"ROLE", "IP", "NODE ID", "FULL", "VERSION", "SLOTS"} {
		at := column1(lines[0], title)
		for _, line := range lines[1:] {
			r := []rune(line)
			if len(r) > at && (r[at-1] != ' ' || r[at-2] != ' ') {
				t.Errorf("%s is at %d, but not in %q", title, at, line)
			}
		}
	}
	for _, title := range []string{"USED", "MAX", "KEYS", "CLIENTS", "OFFSET"} {
		end := column1(lines[0], title) + len(title)
		for _, line := range lines[1:] {
			if r := []rune(line); len(r) > end && (r[end] != ' ' || (r[end-1] == ' ' && !strings.HasPrefix(line, "("))) {
				t.Errorf("%s ends at %d, but not in %q", title, end, line)
			}
		}
	}
}

func column1(line, title string) int {
	before, _, _ := strings.Cut(line, title)
	return utf8.RuneCountInString(before)
}

func TestBarHasOneWidth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		part, whole int64
		want        string
	}{
		{0, 100, "[..........]   0%"},
		{4, 100, "[..........]   4%"},
		{5, 100, "[#.........]   5%"},
		{41, 100, "[####......]  41%"},
		{100, 100, "[##########] 100%"},
		{250, 100, "[##########] 250%"},
		{1 << 62, 1, "[##########] 999%"},
		{-5, 100, "[..........]   0%"},
		{5, 0, "-"},
	} {
		if got := bar(c.part, c.whole); got != c.want {
			t.Errorf("bar(%d, %d) = %q, want %q", c.part, c.whole, got, c.want)
		}
	}
}

func TestFormatBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0B", 1023: "1023B", 1024: "1Ki", 1536: "1.5Ki", 10188: "9.9Ki", 10189: "10Ki", 999 << 10: "999Ki",
		1000 << 10: "1Mi", 192 << 20: "192Mi", 5 << 30: "5Gi", 1 << 62: "4Ei",
	} {
		if got := formatBytes(n); got != want {
			t.Errorf("formatBytes(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestComparePods(t *testing.T) {
	t.Parallel()
	order := []string{"", "-1", "a", "a-1-2", "demo", "demo-0", "demo-2", "demo-10", "demo-x"}
	for i, a := range order {
		for j, b := range order {
			got := comparePods(a, b)
			if i == j && got != 0 || i != j && got == 0 || got != -comparePods(b, a) {
				t.Errorf("comparePods(%q, %q) = %d", a, b, got)
			}
		}
	}
	if comparePods("demo-2", "demo-10") >= 0 {
		t.Error("demo-2 is not before demo-10")
	}
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	if got := oneLine(" a\tb\n\x1b[31mc\u0000 é "); got != "a b [31mc é" {
		t.Errorf("%q", got)
	}
}
