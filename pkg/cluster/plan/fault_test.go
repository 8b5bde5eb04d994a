package plan_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// sixHosts has a host for each of six pods, two in a zone.
var sixHosts = []cluster.Host{
	{Name: "node1", Zone: "a"},
	{Name: "node2", Zone: "b"},
	{Name: "node3", Zone: "c"},
	{Name: "node4", Zone: "a"},
	{Name: "node5", Zone: "b"},
	{Name: "node6", Zone: "c"},
}

// goOn carries out what is decided until this is the reason, and returns what was decided on the way and at the end.
func goOn(t *testing.T, w *clustertest.World, wanted plan.Wanted, until string) []plan.Decision {
	t.Helper()
	var decisions []plan.Decision
	for range mostLooks {
		view := w.View()
		d := plan.Next(wanted, view)
		if n := len(decisions); n == 0 || !reflect.DeepEqual(decisions[n-1], d) {
			decisions = append(decisions, d)
		}
		if d.Reason == until {
			return decisions
		}
		if err := w.Apply(d.Step); err != nil {
			t.Fatalf("%s %+v: %v\n%s", d.Reason, d.Step, err, w)
		}
		w.Tick()
	}
	t.Fatalf("never %s, but %+v\n%s", until, decisions[len(decisions)-1], w)
	return nil
}

// steps are the steps that were taken for a reason.
func steps(decisions []plan.Decision, reason string) []plan.Decision {
	return slices.DeleteFunc(slices.Clone(decisions), func(d plan.Decision) bool { return d.Reason != reason })
}

// keeps fails unless all keys of all slots are where they belong.
func keeps(t *testing.T, w *clustertest.World) {
	t.Helper()
	if w.Held() != cluster.AllSlots() || w.Owned() != cluster.AllSlots() {
		t.Errorf("held %s, owned %s\n%s", w.Held(), w.Owned(), w)
	}
}

// rests fails unless nothing but waiting is decided for so many looks.
func rests(t *testing.T, w *clustertest.World, wanted plan.Wanted, looks int) plan.Decision {
	t.Helper()
	var d plan.Decision
	for range looks {
		d = plan.Next(wanted, w.View())
		if _, waits := d.Step.(plan.Wait); !waits {
			t.Fatalf("%s: %s\n%s", d.Reason, d.Message, w)
		}
		w.Tick()
	}
	return d
}

// Two of three masters are lost at once, so that nobody can vote: the copies take over, one at a look and each with an
// epoch of its own, and not a key is lost.
func TestFault31_MajorityOfMastersLost(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*clustertest.World){
		"pods deleted": func(w *clustertest.World) { w.Kill("demo-0", "demo-1") },
		"hosts are off": func(w *clustertest.World) {
			w.LoseHost("node1").LoseHost("node2").GiveUpHost("node1").GiveUpHost("node2")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true, Hosts: sixHosts}, 3, 1)
			lose(w)
			decisions := goOn(t, w, threeByOne, plan.Converged)
			if n := len(steps(decisions, plan.PromotingReplica)); n == 0 || n > 2 {
				t.Errorf("%d takeovers", n)
			}
			keeps(t, w)
			epochs := map[uint64]bool{}
			for _, s := range w.View().Shards() {
				epochs[s.Primary.Info.Self().ConfigEpoch] = true
			}
			if len(epochs) != 3 {
				t.Errorf("three shards have %d epochs\n%s", len(epochs), w)
			}
		})
	}
}

// Hosts are silent and nobody says that they are off: they may be serving clients on the other side of a partition. While
// Kubernetes hears from them, or a person is to decide, they are not taken for dead.
func TestFault31_SilentHostsAreNotDead(t *testing.T) {
	t.Parallel()
	asks := threeByOne
	asks.AskQuorum = true
	for name, test := range map[string]struct {
		wanted plan.Wanted
		missed bool
	}{
		"Kubernetes hears from them": {wanted: threeByOne},
		"a person decides":           {wanted: asks, missed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true, Hosts: sixHosts}, 3, 1).LoseHost("node1").LoseHost("node2")
			if test.missed {
				w.MissHost("node1").MissHost("node2")
			}
			rests(t, w, test.wanted, 20)
			d := rests(t, w, test.wanted, 200)
			if want := "kubectl taint node node1 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"; d.Reason != plan.QuorumLost ||
				!strings.Contains(d.Message, want) {
				t.Errorf("%s: %s", d.Reason, d.Message)
			}
			goOn(t, w.GiveUpHost("node1").GiveUpHost("node2"), threeByOne, plan.Converged)
			keeps(t, w)
		})
	}
}

// Neither Kubernetes nor any node hears from the hosts of most masters: their copies take over without a person, once
// they have heard nothing for a node-timeout, and the hosts' pods stay what they are.
func TestFault31_HostsThatNobodyHears(t *testing.T) {
	t.Parallel()
	w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true, Hosts: sixHosts}, 3, 1)
	w.LoseHost("node1").LoseHost("node2").MissHost("node1").MissHost("node2")
	decisions := goOn(t, w, threeByOne, plan.PromotingReplica)
	step, _ := decisions[len(decisions)-1].Step.(plan.Failover)
	if silent := info(new(w.View()), step.Pod).LinkDown; silent <= threeByOne.NodeTimeout {
		t.Errorf("%s takes over after %s", step.Pod, silent)
	}
	for _, d := range goOn(t, w, threeByOne, plan.WaitingForNodes) {
		if _, deletes := d.Step.(plan.DeletePod); deletes {
			t.Errorf("%s", d.Message)
		}
	}
	keeps(t, w)
}

// recovery.quorum is Manual: the condition has the command, and what it does is enough.
func TestFault31_QuorumManual(t *testing.T) {
	t.Parallel()
	w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true}, 3, 1).Kill("demo-0", "demo-1")
	wanted := threeByOne
	wanted.AskQuorum = true
	goOn(t, w, wanted, plan.QuorumLost)
	w.Ticks(2 * 3)
	d := goOn(t, w, wanted, plan.QuorumLost)[0]
	want := `kubectl patch -n shop rdc/demo --type=merge -p '{"spec":{"recovery":{"quorum":"Automatic"}}}'`
	if !strings.Contains(d.Message, want) {
		t.Errorf("%s", d.Message)
	}
	if len(steps(goOn(t, w, threeByOne, plan.Converged), plan.PromotingReplica)) == 0 {
		t.Error("nobody took over")
	}
}

// A replica that has not heard of the newest epoch would take one that another has already: it hears of it first.
func TestFault31_EpochsApart(t *testing.T) {
	t.Parallel()
	w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true}, 3, 1).Kill("demo-0", "demo-1")
	view := func() cluster.View {
		for range mostLooks {
			view := w.View()
			d := plan.Next(threeByOne, view)
			if d.Reason == plan.PromotingReplica {
				return view
			}
			_ = w.Apply(d.Step)
			w.Tick()
		}
		panic("nobody is promoted")
	}()
	info(&view, "demo-2").CurrentEpoch = 99
	if d := plan.Next(threeByOne, view); d.Reason != plan.QuorumLost || !strings.Contains(d.Message, "newest epoch") {
		t.Errorf("%s: %s", d.Reason, d.Message)
	}
}

// A majority is there and votes: the operator leaves it to Redis.
func TestFault30_MinorityLostIsLeftToRedis(t *testing.T) {
	t.Parallel()
	w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true}, 3, 1).Kill("demo-0")
	if took := steps(goOn(t, w, threeByOne, plan.Converged), plan.PromotingReplica); len(took) > 0 {
		t.Errorf("%+v", took)
	}
	keeps(t, w)
}

// Its redis is dead, as its agent says, and all suspect it: Redis has the time for two votes, which the model does not take.
func TestFault30_RedisHasTimeToVote(t *testing.T) {
	t.Parallel()
	w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true}, 3, 1)
	for silent, want := range map[time.Duration]string{
		2 * nodeTimeout: plan.WaitingForFailover, 4 * nodeTimeout: plan.PromotingReplica,
	} {
		v := w.View()
		dead := member(&v, "demo-0")
		dead.Info, dead.Down = nil, true
		for _, m := range v.Members {
			if m.Info == nil {
				continue
			}
			line(&v, m.Pod.Name, w.ID("demo-0")).Flags.PFail = true
			if m.Follows() == w.ID("demo-0") {
				i := info(&v, m.Pod.Name)
				i.LinkUp, i.LinkDown = false, silent
			}
		}
		if d := plan.Next(threeByOne, v); d.Reason != want {
			t.Errorf("after %s: %s: %s", silent, d.Reason, d.Message)
		}
	}
}

// A host is gone for good: its pods are deleted by force and made again elsewhere.
func TestFault30_PodsOfAHostThatIsGoneAreReplaced(t *testing.T) {
	t.Parallel()
	for _, ephemeral := range []bool{true, false} {
		t.Run(fmt.Sprintf("ephemeral %v", ephemeral), func(t *testing.T) {
			t.Parallel()
			w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: ephemeral}, 3, 1).LoseHost("node2")
			rests(t, w, threeByOne, 30)
			decisions := goOn(t, w.GiveUpHost("node2"), threeByOne, plan.Converged)
			if replaced := steps(decisions, plan.ReplacingLostPod); len(replaced) != 2 {
				t.Errorf("%+v", replaced)
			}
			keeps(t, w)
		})
	}
}

// A pod that cannot be stopped, on a host of which nobody says that it is gone: without a volume another takes its
// place under another ordinal; with one nobody does, because two could write to it.
func TestFault30_PodThatCannotBeStopped(t *testing.T) {
	t.Parallel()
	w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true}, 3, 1).Abandon("demo-1")
	decisions := goOn(t, w, threeByOne, plan.Converged)
	if made := steps(decisions, plan.CreatingPods); len(made) != 1 || !reflect.DeepEqual(made[0].Step, plan.CreatePods{Ordinals: []int{6}}) {
		t.Errorf("%+v", made)
	}
	keeps(t, w)
	rests(t, w, threeByOne, 10)

	w = clustertest.Cluster(3, 1).Abandon("demo-1")
	for _, d := range goOn(t, w, threeByOne, plan.WaitingForPods) {
		if _, creates := d.Step.(plan.CreatePods); creates {
			t.Errorf("%s", d.Message)
		}
	}
}

// A master and its only replica are gone with all they had. The others serve on; the condition has the command, and
// what is consented to is done, and no more.
func TestFault32_ShardLostWithAllItsCopies(t *testing.T) {
	t.Parallel()
	w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true}, 3, 1).Kill("demo-1", "demo-5")
	goOn(t, w, threeByOne, plan.SlotsUncovered)
	d := rests(t, w, threeByOne, 30)
	want := "kubectl annotate --overwrite -n shop rdc/demo redisoperator.io/give-up-slots=5462-10922"
	if d.Reason != plan.SlotsUncovered || !strings.Contains(d.Message, want) {
		t.Errorf("%s: %s", d.Reason, d.Message)
	}
	others := cluster.AllSlots().Minus(slots(5462, 10922))
	consents := threeByOne
	consents.GiveUp = slots(0, 5000)
	rests(t, w, consents, 5) // to another loss
	consents.GiveUp = slots(5462, 10922)
	decisions := goOn(t, w, consents, plan.Converged)
	lost := steps(decisions, plan.DataLost)
	if len(lost) != 1 || !strings.Contains(lost[0].Message, "slots 5462-10922 begin anew") {
		t.Errorf("%+v", lost)
	}
	if kept := w.Held(); !others.Minus(kept).IsEmpty() {
		t.Errorf("others lost %s", others.Minus(kept))
	}
}

// The best copy may be in a pod that cannot be stopped, on a host that is silent: an older one does not take over in
// front of it, nor does anybody begin anew, whatever the spec gives up.
func TestFault32_CopyWhereNobodyCanLook(t *testing.T) {
	t.Parallel()
	gives := threeByOne
	gives.GiveUp = cluster.AllSlots()
	w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true}, 3, 1)
	silent := w.View().Members[3].Pod // demo-3, whose node all the others know
	silent.State, silent.Overdue = cluster.PodTerminating, true
	w.Restart("demo-5").Kill("demo-1", "demo-3").Ticks(8)
	goOn(t, w, gives, plan.CreatingPods)
	if err := w.Apply(plan.Next(gives, w.View()).Step); err != nil {
		t.Fatal(err)
	}
	view := w.View()
	if d := plan.Next(gives, view); d.Reason != plan.PromotingReplica {
		t.Errorf("nobody else may have a copy: %s: %s", d.Reason, d.Message)
	}
	view.Aside = []cluster.Member{{Pod: silent, Unseen: "i/o timeout"}}
	if d := plan.Next(gives, view); d.Reason == plan.PromotingReplica || d.Reason == plan.DataLost {
		t.Errorf("%s: %s", d.Reason, d.Message)
	}
}

// What a volume may bring back is waited for, whatever the spec gives up, and however long its pod has no host.
func TestFault32_VolumesMayComeBack(t *testing.T) {
	t.Parallel()
	w := clustertest.Cluster(3, 1).Kill("demo-1", "demo-5").Room(4)
	gives := threeByOne
	gives.GiveUp = cluster.AllSlots()
	decisions := goOn(t, w, gives, plan.WaitingForPods)
	for range 60 {
		decisions = append(decisions, plan.Next(gives, w.View()))
		apply(t, w, gives)
	}
	decisions = append(decisions, goOn(t, w.Room(0), gives, plan.Converged)...)
	if lost := steps(decisions, plan.DataLost); len(lost) > 0 {
		t.Errorf("%+v", lost)
	}
	keeps(t, w)
}

// All pods at once, without volumes: the same topology again, empty, and it is said.
func TestFault26_NothingIsLeft(t *testing.T) {
	t.Parallel()
	w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true}, 3, 1)
	lost := steps(goOn(t, w.Kill(w.Pods()...), threeByOne, plan.Converged), plan.DataLost)
	if len(lost) != 1 || !strings.Contains(lost[0].Message, "slots 0-16383 begin anew") {
		t.Errorf("%+v", lost)
	}
}

// A pod comes back as another node: the old one is forgotten by all, the new one is a replica.
func TestFault28_LostIdentityIsAReplica(t *testing.T) {
	t.Parallel()
	w := clustertest.Cluster(3, 1)
	old := w.ID("demo-0")
	goOn(t, w.Kill("demo-0").Wipe(0), threeByOne, plan.Converged)
	for _, m := range w.View().Members {
		if m.Info.Table.Index(old) >= 0 {
			t.Errorf("%s still lists %s", m.Pod.Name, old.Short())
		}
	}
	if m := w.View().Members[0]; m.Role() != cluster.Replica {
		t.Errorf("demo-0 is no replica\n%s", w)
	}
}

// The operator was killed when some had forgotten: all that list the node are told again.
func TestFault10_KilledBetweenForgets(t *testing.T) {
	t.Parallel()
	w, old := reborn("demo-4", 4)
	d, _ := plan.Next(threeByOne, w.View()).Step.(plan.Forget)
	if len(d.Bans) != 5 {
		t.Fatalf("%+v", d)
	}
	_ = w.Apply(plan.Forget{Bans: d.Bans[2:]})
	if got := plan.Next(threeByOne, w.View()); !reflect.DeepEqual(got, forgetting(old, "demo-0", "demo-1")) {
		t.Errorf("%+v", got)
	}
	goOn(t, w, threeByOne, plan.Converged)
}

// A node of somebody else is in the table: it is reported, and neither met, nor forgotten, nor anything else done.
func TestFault43_ForeignNodeIsNotFought(t *testing.T) {
	t.Parallel()
	w := clustertest.Cluster(3, 1).Stranger("192.168.0.7").Ticks(3)
	d := rests(t, w, threeByOne, 30)
	if d.Reason != plan.ForeignNodes || !strings.Contains(d.Message, "192.168.0.7") {
		t.Errorf("%s: %s", d.Reason, d.Message)
	}
	goOn(t, w.Leave(), threeByOne, plan.Converged)
}

// The operator cannot connect, to whomever it may be, and all else is well: it does nothing, for ever.
func TestFault45_CannotConnectIsNoProof(t *testing.T) {
	t.Parallel()
	all := clustertest.Cluster(3, 1).Pods()
	for _, hidden := range [][]string{{"demo-0"}, {"demo-0", "demo-1"}, {"demo-0", "demo-1", "demo-2"}, {"demo-1", "demo-5"}, all} {
		t.Run(strings.Join(hidden, " "), func(t *testing.T) {
			t.Parallel()
			w := clustertest.Cluster(3, 1)
			for _, pod := range hidden {
				w.Hide(pod, true)
			}
			wanted := threeByOne
			wanted.GiveUp, wanted.Failback = cluster.AllSlots(), true
			rests(t, w, wanted, 100)
		})
	}
}

// Three packets of ten are lost: nodes are suspected now and then, and nobody is given another role.
func TestFault47_PacketLossChangesNoRole(t *testing.T) {
	t.Parallel()
	w := clustertest.ClusterIn(clustertest.Settings{Loss: 0.3, Seed: 1}, 3, 1)
	before := w.View().Shards()
	wanted := threeByOne
	wanted.Failback = true
	suspicions := 0
	for range 1000 {
		rests(t, w, wanted, 1)
		for _, m := range w.View().Members {
			for i := range m.Info.Table {
				if m.Info.Table[i].Flags.PFail {
					suspicions++
				}
			}
		}
	}
	if suspicions < 10 {
		t.Errorf("only %d suspicions: what is tested?", suspicions)
	}
	for i, s := range w.View().Shards() {
		if s.ID != before[i].ID {
			t.Errorf("%s is the primary in place of %s", s.ID.Short(), before[i].ID.Short())
		}
	}
}

// Moves that were cut are brought to an end, at whatever stage, also when an end of them has failed over since.
func TestFault03To07_CutMoves(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ stage, kill string }{
		"03 importing at the target only":               {"import", ""},
		"04 marked at both ends":                        {"marked", ""},
		"04 keys at both ends":                          {"half", ""},
		"05 keys twice, and the source has failed over": {"twice", "source"},
		"06 given at the target only":                   {"taken", ""},
		"07 the target has failed over":                 {"half", "target"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true, Pace: 100}, 4, 1)
			wanted := threeByOne
			wanted.Primaries = 5
			goOn(t, w, wanted, plan.MovingSlots)
			for range 3 { // the new shard has slots by then, so that Redis elects in it
				_ = w.Apply(plan.Next(wanted, w.View()).Step)
				w.Tick()
			}
			d := goOn(t, w, wanted, plan.MovingSlots)
			move := d[len(d)-1].Step.(plan.MoveSlots).Moves[0]
			_ = w.Cut(tc.stage).Apply(d[len(d)-1].Step)
			switch w.Ticks(3); tc.kill {
			case "source":
				w.Kill(move.From.Pod)
			case "target":
				w.Kill(move.To.Pod)
			}
			wanted.Moving = true
			goOn(t, w, wanted, plan.Converged)
			if lost := w.Misplaced().Union(w.Stray()); !lost.IsEmpty() {
				t.Errorf("slots %s are not whole\n%s", lost, w)
			}
			keeps(t, w)
		})
	}
}
