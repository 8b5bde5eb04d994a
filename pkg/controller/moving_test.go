package controller

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	clocktesting "k8s.io/utils/clock/testing"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/kube"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// until looks, as often as the operator asks to be, until something is so.
func (f *fixture) until(what string, so func() bool) {
	f.t.Helper()
	for range 200 {
		f.caches.fill(f.api)
		_, _ = f.look("shop")
		f.hold()
		if so() {
			return
		}
		f.pass()
	}
	f.t.Fatalf("%s: not after 200 looks\n%s", what, f)
}

func (f *fixture) migration() *redisv1.MigrationStatus { return f.cluster("shop").Status.Migration }

// says fails unless a condition has this status and reason, and these words in its message.
func (f *fixture) says(kind, statusAndReason string, words ...string) {
	f.t.Helper()
	c := f.condition("shop", kind)
	if got := fmt.Sprintf("%s %s", c.Status, c.Reason); got != statusAndReason {
		f.t.Errorf("%s is %s: %s; want %s", kind, got, c.Message, statusAndReason)
	}
	for _, w := range words {
		if !strings.Contains(c.Message, w) {
			f.t.Errorf("%s says %q, without %q", kind, c.Message, w)
		}
	}
}

// While slots move, status.migration adds up, and every step costs one write of the status at most.
func TestMigrationStatus(t *testing.T) {
	t.Parallel()
	f := newCluster(t, paced(7))
	f.change(masters(4))
	f.until("slots move", func() bool { return f.migration() != nil })
	var before *redisv1.MigrationStatus
	for looks := 0; ; looks++ {
		m := f.migration()
		if m == nil {
			break
		}
		if m.SlotsMoved+m.SlotsLeft != 4096 || m.KeysMoved != 2*int64(m.SlotsMoved) || m.BytesMoved != 1024*m.KeysMoved {
			t.Errorf("%+v", m)
		}
		left := int32(0)
		for _, p := range m.Pairs {
			left += p.SlotsLeft
			if !strings.HasPrefix(p.From, "demo-") || !strings.HasPrefix(p.To, "demo-") {
				t.Errorf("%+v", p)
			}
		}
		if left != m.SlotsLeft {
			t.Errorf("pairs %+v of %d slots", m.Pairs, m.SlotsLeft)
		}
		if before != nil && (m.SlotsMoved < before.SlotsMoved || !m.StartTime.Equal(&before.StartTime)) {
			t.Errorf("after %+v\n%+v", before, m)
		}
		before = m
		f.life.take()
		if err := f.lookFresh("shop"); err != nil {
			t.Fatal(err)
		}
		if n := len(slices.DeleteFunc(f.life.take(), func(w string) bool { return !strings.HasPrefix(w, "api ") })); n > 1 {
			t.Errorf("%d writes to the API server in one look", n)
		}
		f.pass()
		if looks > 60 {
			t.Fatalf("it does not end\n%s", f)
		}
	}
	if before == nil || before.SlotsLeft != 0 {
		t.Errorf("the last that was told: %+v", before)
	}
	metrics, err := f.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]float64{}
	for _, m := range metrics {
		if strings.HasPrefix(m.GetName(), "redis_operator_migration_") {
			seen[m.GetName()] = m.GetMetric()[0].GetCounter().GetValue() + float64(m.GetMetric()[0].GetHistogram().GetSampleCount())
		}
	}
	want := map[string]float64{
		"redis_operator_migration_slots_moved_total": 4096, "redis_operator_migration_keys_moved_total": 8192,
		"redis_operator_migration_bytes_moved_total": 8 << 20, "redis_operator_migration_duration_seconds": 1,
	}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("metrics %v, want %v", seen, want)
	}
}

// FAULT 59: a pause ends what is half way and begins nothing; lifting it goes on, and no slot moves twice.
func TestPause(t *testing.T) {
	t.Parallel()
	settings := paced(5)
	settings.Cuts = 1 // the step before the pause leaves slots half way
	f := newCluster(t, settings)
	f.change(masters(4))
	f.until("slots are half way", func() bool { return !f.places[0].world.Stray().IsEmpty() })
	f.change(func(rc *redisv1.RedisCluster) { rc.Spec.Paused = true })
	f.until("it rests", func() bool { return f.condition("shop", redisv1.ConditionProgressing).Reason == plan.Paused })
	f.says(redisv1.ConditionProgressing, "False Paused")
	f.intact()
	m := f.migration()
	if m == nil || m.SlotsLeft == 0 || m.EstimatedCompletionTime != nil {
		t.Errorf("migration %+v", m)
	}
	f.places[0].world.Count()
	f.life.take()
	edit(f.api, "shop", "demo", func(s *corev1.Service) { s.Labels["by-hand"] = "yes"; s.Spec.Type = "changed" })
	for range 5 {
		if err := f.lookFresh("shop"); err != nil {
			t.Fatal(err)
		}
		f.pass()
	}
	if writes := f.life.take(); len(writes) > 0 {
		t.Errorf("a paused cluster is written to: %q", writes)
	}
	if moved, _ := f.places[0].world.Moved(); !moved.IsEmpty() {
		t.Errorf("slots %s have moved", moved)
	}
	f.change(func(rc *redisv1.RedisCluster) { rc.Spec.Paused = false })
	f.converge("shop")
	f.whole(8)
	f.intact()
	if got := told(f.story.take(), redisv1.EventMigrationStarted); len(got) != 1 {
		t.Errorf("told %q", got)
	}
}

// A key that is too big keeps its slot where it is: all others move, the condition names it, and it is not tried again
// and again. It moves once it may, or once it is gone.
func TestKeyTooBig(t *testing.T) {
	t.Parallel()
	for name, cure := range map[string]func(f *fixture){
		"allowed": func(f *fixture) {
			f.change(func(rc *redisv1.RedisCluster) { rc.Spec.Migration.MaxKeyBytes = new(quantity.MustParse("100Mi")) })
		},
		"no limit": func(f *fixture) {
			f.change(func(rc *redisv1.RedisCluster) { rc.Spec.Migration.MaxKeyBytes = new(quantity.MustParse("0")) })
		},
		"deleted": func(f *fixture) {
			f.slots.big = nil
			f.clock.(*clocktesting.FakeClock).Step(rest)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newCluster(t, paced(7))
			f.slots.big = map[cluster.Slot]redis.Blocked{}
			for slot := range cluster.AllSlots().All() {
				if slot%2000 == 0 {
					f.slots.big[slot] = redis.Blocked{Slot: slot, Key: fmt.Sprintf("big %d", slot), Bytes: 70 << 20}
				}
			}
			f.change(masters(4))
			f.until("all others have moved", func() bool {
				return f.condition("shop", redisv1.ConditionProgressing).Reason == redisv1.ReasonKeyTooBig
			})
			m := f.migration()
			if m == nil || m.SlotsLeft == 0 || int(m.SlotsLeft) != len(m.Blocked) || m.SlotsMoved+m.SlotsLeft != 4096 {
				t.Fatalf("migration %+v", m)
			}
			b := m.Blocked[0]
			words := []string{
				fmt.Sprintf("slot %d stays at %s", b.Slot, b.PodName), fmt.Sprintf(`its key "big %d" takes 70.0 MiB`, b.Slot),
				"spec.migration.maxKeyBytes (64Mi)", "delete the key",
			}
			f.says(redisv1.ConditionProgressing, "False KeyTooBig", words...)
			f.says(redisv1.ConditionDegraded, "True KeyTooBig", words...)
			f.says(redisv1.ConditionReady, "True Healthy")

			f.caches.fill(f.api)
			asked := f.slots.asked
			f.life.take()
			for range 10 {
				wait, err := f.look("shop")
				if err != nil || wait < pause {
					t.Fatalf("looks again after %s, %v", wait, err)
				}
			}
			if f.slots.asked != asked || len(f.life.take()) > 0 {
				t.Errorf("servers were asked %d times in vain", f.slots.asked-asked)
			}
			f.clock.(*clocktesting.FakeClock).Step(rest)
			if wait, err := f.look("shop"); err != nil || wait < rest || f.slots.asked != asked+1 {
				t.Errorf("after a rest %d times in vain; looks again after %s, %v", f.slots.asked-asked, wait, err)
			}

			cure(f)
			f.converge("shop")
			f.whole(8)
			f.intact()
			f.says(redisv1.ConditionDegraded, "False Healthy")
			if m = f.migration(); m != nil {
				t.Errorf("still %+v", m)
			}
		})
	}
}

// One target that refuses keys does not keep the others from theirs. The condition has its words, and it goes on once it
// is cured.
func TestTargetThatRefuses(t *testing.T) {
	t.Parallel()
	f := newCluster(t, paced(7))
	refusal := fmt.Errorf("migrate to 10.0.0.9:6379: %w: OOM command not allowed", redis.ErrTargetFull)
	f.change(masters(5))
	f.until("slots move", func() bool { return f.slots.asked > 0 })
	moves := f.slots.moves
	victim, _ := f.places[0].world.View().Member(moves[0].To.ID)
	f.slots.refuses = map[string]error{victim.Pod.Name: refusal}
	f.until("the others have their share", func() bool {
		m := f.migration()
		return m != nil && !slices.ContainsFunc(m.Pairs, func(p redisv1.MigrationPair) bool { return p.To != victim.Pod.Name })
	})
	if m := f.migration(); m.SlotsLeft < 3000 || m.SlotsMoved < 3000 {
		t.Errorf("migration %+v", m)
	}
	for range 4 { // it stays so between the attempts
		f.says(redisv1.ConditionDegraded, "True MoveFailed", "OOM command not allowed", "10.0.0.9")
		f.says(redisv1.ConditionReady, "True Healthy")
		f.caches.fill(f.api)
		_, _ = f.look("shop")
		f.pass()
	}
	asked := f.slots.asked
	for range 10 {
		f.caches.fill(f.api)
		if wait, err := f.look("shop"); err == nil && wait < pause {
			t.Errorf("looks again after %s", wait)
		}
	}
	if n := f.slots.asked - asked; n > 1 {
		t.Errorf("asked %d times in no time", n)
	}
	f.slots.refuses = nil
	f.converge("shop")
	f.whole(10)
	f.intact()
	f.says(redisv1.ConditionDegraded, "False Healthy")
	events := f.story.take()
	if got := told(events, redisv1.ReasonMoveFailed); len(got) != 1 || !strings.Contains(got[0], "Warning") {
		t.Errorf("told %q", got)
	}
	for _, reason := range []string{redisv1.EventMigrationStarted, redisv1.EventMigrationCompleted} {
		if got := told(events, reason); len(got) != 1 {
			t.Errorf("told %q", got)
		}
	}
}

// What nodes said of moves is logged once per attempt and is tried again when its rest is over, not ever more slowly.
func TestMoveErrorsDoNotSlowTheQueue(t *testing.T) {
	t.Parallel()
	f := newCluster(t, paced(7))
	f.change(masters(4))
	f.until("slots move", func() bool { return f.migration() != nil })
	f.slots.refuses = map[string]error{}
	for _, pod := range f.places[0].world.Pods() {
		f.slots.refuses[pod] = redis.ErrTargetRefuses
	}
	f.caches.fill(f.api)
	f.c.queue.Add(f.key("shop"))
	if !f.c.processNext(t.Context()) {
		t.Fatal("the queue has ended")
	}
	if n := f.c.queue.NumRequeues(f.key("shop")); n != 0 {
		t.Errorf("%d failures are counted", n)
	}
	f.says(redisv1.ConditionDegraded, "True MoveFailed")
	f.clock.(*clocktesting.FakeClock).Step(rest + time.Second)
	got := make(chan bool)
	go func() { got <- f.c.processNext(t.Context()) }()
	if !<-got {
		t.Error("it is not looked again")
	}
}

// Every option of the spec reaches the mover, and it knows the ends, their copies and all primaries.
func TestMoveOptions(t *testing.T) {
	t.Parallel()
	f := newCluster(t, paced(7), func(rc *redisv1.RedisCluster) {
		rc.Spec.Migration = redisv1.MigrationSpec{
			Engine: redisv1.EngineClassic, Profile: redisv1.ProfileThroughput, MaxBatchMillis: new(int32(7)),
			MaxKeyBytes: new(quantity.MustParse("1Mi")), Parallelism: new(int32(3)),
		}
	})
	f.change(masters(4))
	f.until("slots move", func() bool { return f.slots.asked > 1 })
	o := f.slots.options
	if o.Engine != redis.EngineClassic || o.Profile != redis.ProfileThroughput || o.MaxBatch != 7*time.Millisecond ||
		o.MaxKeyBytes != 1<<20 || o.Parallelism != 3 || o.Budget != 2*time.Second {
		t.Errorf("%+v", o)
	}
	for _, m := range f.slots.moves {
		if len(m.From.Copies) != 1 || len(m.To.Copies) != 1 || m.From.Version == "" || m.To.ID == "" {
			t.Errorf("%+v", m)
		}
	}
	// The words of the API are the words of the mover.
	if string(redisv1.EngineAuto) != string(redis.EngineAuto) || string(redisv1.EngineSlotsOnly) != string(redis.EngineSlotsOnly) ||
		string(redisv1.ProfileLatency) != string(redis.ProfileLatency) {
		t.Error("words of the API that the mover does not know")
	}
}

// A slot that is not to move any more is not blocked any more.
func TestKeyTooBig_NotToMoveAnyMore(t *testing.T) {
	t.Parallel()
	f := newCluster(t, paced(7))
	f.slots.big = map[cluster.Slot]redis.Blocked{}
	for slot := range cluster.AllSlots().All() {
		if slot < 5000 {
			f.slots.big[slot] = redis.Blocked{Slot: slot, Key: "big", Bytes: 70 << 20}
		}
	}
	f.change(masters(4))
	f.until("all others have moved", func() bool {
		return f.condition("shop", redisv1.ConditionProgressing).Reason == redisv1.ReasonKeyTooBig
	})
	if m := f.migration(); len(m.Blocked) != redisv1.MaxBlockedSlots || int(m.SlotsLeft) < redisv1.MaxBlockedSlots {
		t.Errorf("migration %+v", m)
	}
	f.slots.big = map[cluster.Slot]redis.Blocked{0: f.slots.big[0]}
	f.change(masters(3))
	f.converge("shop")
	f.says(redisv1.ConditionDegraded, "False Healthy")
	if got := f.c.ledgers.of(f.cluster("shop")).blockedSlots(); len(got) > 0 {
		t.Errorf("still blocked: %v", got)
	}
}

// A replica is promoted without a vote only when its link is down at that very moment, and when it is who was meant.
func TestPromote(t *testing.T) {
	t.Parallel()
	f := newCluster(t, paced(7))
	rc := f.cluster("shop")
	redisv1.SetDefaults(rc)
	f.caches.fill(f.api)
	a, view, err := f.c.look(t.Context(), rc)
	if err != nil {
		t.Fatal(err)
	}
	shard := view.Shards()[0]
	replica := shard.Replicas[0]
	step := plan.Failover{Pod: replica.Pod.Name, Node: replica.ID(), Primary: shard.ID}
	here := target{rc: rc, view: view, access: a, ledger: f.c.ledgers.of(rc)}
	f.life.take()
	if err = f.c.failover(t.Context(), here, step); !errors.Is(err, kube.ErrStale) {
		t.Errorf("with a primary that is there: %v", err)
	}
	wrong := plan.Failover{Pod: replica.Pod.Name, Node: shard.ID, Primary: shard.ID}
	if err = f.c.failover(t.Context(), here, wrong); !errors.Is(err, kube.ErrStale) {
		t.Errorf("another node: %v", err)
	}
	other := plan.Failover{Pod: replica.Pod.Name, Node: replica.ID(), Primary: view.Shards()[1].ID}
	if err = f.c.failover(t.Context(), here, other); !errors.Is(err, kube.ErrStale) {
		t.Errorf("in another's place: %v", err)
	}
	self := plan.Failover{Pod: shard.Primary.Pod.Name, Node: shard.ID}
	if err = f.c.failover(t.Context(), here, self); err != nil {
		t.Errorf("a primary: %v", err)
	}
	if writes := f.life.take(); len(writes) > 0 {
		t.Errorf("wrote %q", writes)
	}
	f.places[0].world.Kill(shard.Primary.Pod.Name)
	f.places[0].world.Tick()
	err = f.c.failover(t.Context(), here, step)
	if writes := f.life.take(); err == nil && !slices.Equal(writes, []string{"agent promote " + replica.Pod.Name + " Takeover"}) {
		t.Errorf("wrote %q", writes)
	}
	if err != nil && !outdated(err) {
		t.Error(err)
	}
}

// Steps follow each other faster than a watch tells of what was written: none is refused for it, and what was moved adds
// up. What somebody else writes counts at once.
func TestStepsDoNotWaitForTheCache(t *testing.T) {
	t.Parallel()
	f := newCluster(t, paced(7))
	f.change(masters(4))
	f.until("slots move", func() bool { return f.migration() != nil })
	f.pass()
	f.caches.fill(f.api)
	for i := range 3 {
		before := f.migration().SlotsMoved
		if _, err := f.look("shop"); err != nil {
			t.Fatalf("look %d: %v", i, err)
		}
		if now := f.migration(); i > 0 && now != nil && now.SlotsMoved+now.SlotsLeft != 4096 || now != nil && now.SlotsMoved < before {
			t.Errorf("look %d: after %d slots: %+v", i, before, now)
		}
	}
	f.change(func(rc *redisv1.RedisCluster) { rc.Spec.Paused = true })
	if err := f.lookFresh("shop"); err != nil {
		t.Fatal(err)
	}
	if got := f.cluster("shop").Status.ObservedGeneration; got != f.cluster("shop").Generation {
		t.Errorf("generation %d is not seen", f.cluster("shop").Generation)
	}
}

func TestLedger_Newest(t *testing.T) {
	t.Parallel()
	at := func(version string) *redisv1.RedisCluster {
		rc := demo()
		rc.ResourceVersion = version
		return rc
	}
	l := &ledger{}
	l.wrote(at("1"), at("2"))
	l.wrote(at("2"), at("3"))
	l.wrote(at("3"), nil)
	for _, tc := range []struct{ cached, want string }{{"1", "3"}, {"2", "3"}, {"3", "3"}} {
		if got := l.newest(at(tc.cached)).ResourceVersion; got != tc.want {
			t.Errorf("the cache has %s: %s, want %s", tc.cached, got, tc.want)
		}
	}
	l.wrote(at("3"), at("4"))
	if got := l.newest(at("17")).ResourceVersion; got != "17" {
		t.Errorf("somebody else's write: %s", got)
	}
	if got := l.newest(at("3")).ResourceVersion; got != "3" {
		t.Errorf("what was written is remembered for too long: %s", got)
	}
	for range mostBehind + 1 {
		l.wrote(at("3"), at("4"))
	}
	if got := l.newest(at("3")).ResourceVersion; got != "3" {
		t.Errorf("a cache that does not move: %s", got)
	}
}
