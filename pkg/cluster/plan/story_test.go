package plan_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

var update = flag.Bool("update", false, "write the stories as they go now")

// TestStory plays testdata/*.txt. A line that begins with a word does something to the world; the lines with
// ">" below it are what is decided until nothing more happens. "#" begins a remark.
//
//	cluster 3+1 [WORD...]            a cluster that is whole
//	new 3+1 [WORD...]                a cluster that is wanted, of which nothing is there; words: ephemeral, join,
//	                                 atomic, pace=SLOTS of a move in one step, max=BYTES of each node
//	want 3+1                         the spec is edited
//	kill|wipe|restart|evict|stop|outdate|hide|show|full|roomy POD...
//	split POD N                      the replica in the pod has taken over, but for N slots that its primary came back with
//	room N                           no more pods than that can be scheduled; 0: any number
//	stranger IP, leave               a node of somebody else comes and goes
//	tick N                           time passes without a look
//	pause, resume, hibernate, wake
//	update [FLAW]                    the template of pods changes; FLAW is what is wrong with the new one
//	class NAME                       the class of volumes changes, which is slow at first; none does not exist
//	revert                           the template is again what it was
//	supervise, approve               an update waits before primaries, and goes on
//	cut STAGE                        the next step that moves slots is cut
//	outline                          what is foreseen
//	look                             one look, one step
//	until REASON                     looks until a step is taken for this reason
func TestStory(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d stories, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := tell(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(text) {
				t.Errorf("got\n%s\nwant\n%s", got, text)
			}
		})
	}
}

// story is one that is being told.
type story struct {
	t      *testing.T
	world  *clustertest.World
	wanted plan.Wanted
	out    strings.Builder
}

func tell(t *testing.T, text string) string {
	t.Helper()
	s := &story{t: t, wanted: plan.Wanted{NodeTimeout: nodeTimeout, Object: "-n shop rdc/demo"}}
	pending := false // something was done that has consequences to be told
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, ">") {
			continue
		}
		words := strings.Fields(line)
		if pending && len(words) == 0 {
			s.goOn()
			pending = false
		}
		s.out.WriteString(line + "\n")
		if len(words) > 0 && words[0] != "#" {
			s.do(words[0], words[1:])
			pending = words[0] != "look" && words[0] != "until" && words[0] != "outline"
		}
	}
	if pending {
		s.goOn()
	}
	return s.out.String()
}

func (s *story) do(verb string, words []string) {
	switch verb {
	case "cluster", "new", "want":
		s.size(verb, words)
	case "stranger":
		s.world.Stranger(words[0])
	case "leave":
		s.world.Leave()
	case "tick":
		s.world.Ticks(s.number(words[0]))
	case "split":
		s.world.Split(words[0], s.number(words[1]))
	case "room":
		s.world.Room(s.number(words[0]))
	case "pause", "resume":
		s.wanted.Paused = verb == "pause"
	case "update":
		s.world.Update(strings.Join(words, ""))
	case "class":
		s.world.Reclass(words[0])
	case "revert":
		s.world.Revert()
	case "supervise", "approve":
		s.wanted.HoldPrimaries = verb == "supervise"
	case "hibernate", "wake":
		s.wanted.Hibernate = verb == "hibernate"
	case "cut":
		s.world.Cut(words[0])
	case "outline":
		s.outline()
	case "look":
		s.look("")
	case "until":
		s.until(words[0])
	default:
		for _, pod := range words {
			s.pod(verb, pod)
		}
	}
}

func (s *story) number(word string) int {
	n, err := strconv.Atoi(word)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *story) size(verb string, words []string) {
	size := words[0]
	if _, err := fmt.Sscanf(size, "%d+%d", &s.wanted.Primaries, &s.wanted.Replicas); err != nil {
		s.t.Fatalf("%s: %v", size, err)
	}
	settings := clustertest.Settings{
		Ephemeral: has(words, "ephemeral"), Join: has(words, "join"), Atomic: has(words, "atomic"),
		Class: "slow", Pace: s.setting(words, "pace"), MaxBytes: int64(s.setting(words, "max")),
	}
	switch verb {
	case "cluster":
		s.world = clustertest.ClusterIn(settings, s.wanted.Primaries, s.wanted.Replicas)
		s.wanted.Bootstrapped, s.wanted.ZoneAware = true, true
	case "new":
		s.world = clustertest.New(settings)
		s.wanted.ZoneAware = true
	}
}

// setting is the number in a word like "pace=1000"; 0 when there is none.
func (s *story) setting(words []string, name string) int {
	for _, word := range words {
		if value, found := strings.CutPrefix(word, name+"="); found {
			return s.number(value)
		}
	}
	return 0
}

func has(words []string, word string) bool {
	return strings.Contains(" "+strings.Join(words, " ")+" ", " "+word+" ")
}

func (s *story) pod(verb, name string) {
	switch verb {
	case "kill":
		s.world.Kill(name)
	case "wipe":
		s.world.Wipe(ordinal(name))
	case "restart":
		s.world.Restart(name)
	case "evict":
		s.world.Evict(name)
	case "stop":
		s.world.Stop(name)
	case "outdate":
		s.world.Outdate(name)
	case "hide", "show":
		s.world.Hide(name, verb == "hide")
	case "full", "roomy":
		s.world.Full(name, verb == "full")
	default:
		s.t.Fatalf("what is %s?", verb)
	}
}

func ordinal(pod string) int {
	n, err := strconv.Atoi(pod[strings.LastIndexByte(pod, '-')+1:])
	if err != nil {
		panic(err)
	}
	return n
}

// goOn looks until nothing has happened five times.
func (s *story) goOn() {
	said, quiet := "", 0
	for range mostLooks {
		before := said
		if said = s.look(before); said != before {
			quiet = 0
		} else if quiet++; quiet == 5 {
			return
		}
	}
	s.t.Fatalf("it goes on for ever:\n%s", s.out.String())
}

// until looks until a step is taken for the reason.
func (s *story) until(reason string) {
	said := ""
	for range mostLooks {
		if said = s.look(said); strings.HasPrefix(said, "> "+reason+": ") {
			return
		}
	}
	s.t.Fatalf("never %s:\n%s", reason, s.out.String())
}

// outline says what is foreseen.
func (s *story) outline() {
	o := plan.Outline(s.wanted, s.world.View())
	for _, step := range o.Steps {
		s.out.WriteString("> " + step + "\n")
	}
	fmt.Fprintf(&s.out, "> %d pods created, %d deleted, %d slots, %d keys, %d KiB, %s\n", len(o.PodsCreated), len(o.PodsDeleted),
		o.Slots, o.Keys, o.Bytes>>10, o.Duration(plan.SpeedLatency))
	for _, why := range []string{o.Waits, o.Refused} {
		if why != "" {
			s.out.WriteString("> but " + why + "\n")
		}
	}
}

// look decides once, and says so when it is news.
func (s *story) look(before string) string {
	view := s.world.View()
	d := plan.Next(s.wanted, view)
	said := fmt.Sprintf("> %s: %s\n", d.Reason, d.Message)
	if said != before {
		s.out.WriteString(said)
	}
	if err := s.world.Apply(d.Step); err != nil {
		s.t.Fatalf("%v\n%s", err, s.out.String())
	}
	if view.Served() {
		s.wanted.Bootstrapped = true
	}
	s.wanted.Hibernating = d.Reason == plan.Hibernating || d.Reason == plan.Hibernated
	switch d.Reason {
	case plan.MovingSlots, plan.DrainingShards:
		s.wanted.Moving = true
	case plan.Converged:
		s.wanted.Moving = false
	}
	s.world.Tick()
	return said
}
