package controller

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

func TestMigrationOf(t *testing.T) {
	t.Parallel()
	at := func(seconds int) *metav1.Time {
		return new(metav1.NewTime(birth.Add(time.Duration(seconds) * time.Second)))
	}
	pairs := func(left ...int32) []redisv1.MigrationPair {
		var out []redisv1.MigrationPair
		for i, n := range left {
			out = append(out, redisv1.MigrationPair{From: fmt.Sprintf("demo-%d", i), To: "demo-6", SlotsLeft: n})
		}
		return out
	}
	did := tally{began: birth, took: 2 * time.Second, slots: 100, keys: 1000, bytes: 1 << 20}
	under := &redisv1.MigrationStatus{
		StartTime: *at(-8), SlotsMoved: 100, SlotsLeft: 300, KeysMoved: 5, BytesMoved: 7, KeysPerSecond: 9,
		EstimatedCompletionTime: at(24), Pairs: pairs(300),
	}
	for name, tc := range map[string]struct {
		before *redisv1.MigrationStatus
		m      movement
		want   *redisv1.MigrationStatus
	}{
		"nothing moves":                    {},
		"nothing moves, and that is known": {m: movement{known: true}},
		"the first step": {
			m: movement{tally: did, step: true, going: true, known: true, left: pairs(200, 100)},
			want: &redisv1.MigrationStatus{
				StartTime: *at(0), SlotsMoved: 100, SlotsLeft: 300, KeysMoved: 1000, BytesMoved: 1 << 20,
				KeysPerSecond: 500, BytesPerSecond: 1 << 19, EstimatedCompletionTime: at(8), Pairs: pairs(200, 100),
			},
		},
		"another step adds to it": {
			before: under, m: movement{tally: did, step: true, going: true, known: true, left: pairs(200)},
			want: &redisv1.MigrationStatus{
				StartTime: *at(-8), SlotsMoved: 200, SlotsLeft: 200, KeysMoved: 1005, BytesMoved: 1<<20 + 7,
				KeysPerSecond: 500, BytesPerSecond: 1 << 19, EstimatedCompletionTime: at(12), Pairs: pairs(200),
			},
		},
		"a look at which it cannot be said what is left": {
			before: under, m: movement{tally: did, going: true},
			want: &redisv1.MigrationStatus{
				StartTime: *at(-8), SlotsMoved: 200, SlotsLeft: 200, KeysMoved: 1005, BytesMoved: 1<<20 + 7,
				KeysPerSecond: 500, BytesPerSecond: 1 << 19, EstimatedCompletionTime: at(12), Pairs: pairs(300),
			},
		},
		"something is waited for": {
			before: under, m: movement{known: true, left: pairs(300)},
			want: &redisv1.MigrationStatus{
				StartTime: *at(-8), SlotsMoved: 100, SlotsLeft: 300, KeysMoved: 5, BytesMoved: 7, Pairs: pairs(300),
			},
		},
		"the last step is looked at once more": {
			before: under, m: movement{tally: did, step: true, going: true, known: true},
			want: &redisv1.MigrationStatus{
				StartTime: *at(-8), SlotsMoved: 200, KeysMoved: 1005, BytesMoved: 1<<20 + 7,
				KeysPerSecond: 500, BytesPerSecond: 1 << 19, EstimatedCompletionTime: at(2),
			},
		},
		"nothing is left": {before: under, m: movement{known: true}},
		"nothing is left to say, but a slot is half way": {
			before: under, m: movement{}, want: func() *redisv1.MigrationStatus {
				s := under.DeepCopy()
				s.KeysPerSecond, s.EstimatedCompletionTime = 0, nil
				return s
			}(),
		},
		"more than a status holds": {
			m: movement{
				tally: tally{began: birth.Add(time.Millisecond)}, step: true, known: true,
				left: pairs(slices.Repeat([]int32{2}, 100)...), blocked: blocked(20),
			},
			want: &redisv1.MigrationStatus{
				StartTime: *at(0), SlotsLeft: 200, Pairs: pairs(slices.Repeat([]int32{2}, 64)...), Blocked: blocked(16),
			},
		},
	} {
		before := tc.before.DeepCopy()
		got := migrationOf(tc.before, tc.m, birth.Add(2*time.Second))
		if !reflect.DeepEqual(withEmpty(got), withEmpty(tc.want)) {
			t.Errorf("%s:\n%+v\nwant\n%+v", name, got, tc.want)
		}
		if !reflect.DeepEqual(before, tc.before) {
			t.Errorf("%s: the former status was changed", name)
		}
	}
}

// withEmpty makes empty lists nil, as they come back from the API server.
func withEmpty(s *redisv1.MigrationStatus) *redisv1.MigrationStatus {
	if s == nil {
		return nil
	}
	s = s.DeepCopy()
	if len(s.Pairs) == 0 {
		s.Pairs = nil
	}
	if len(s.Blocked) == 0 {
		s.Blocked = nil
	}
	return s
}

func TestLedger(t *testing.T) {
	t.Parallel()
	slots := func(first, last cluster.Slot) cluster.SlotSet {
		return cluster.NewSlotSet(cluster.SlotRange{First: first, Last: last})
	}
	end := func(pod string) plan.End { return plan.End{Pod: pod, Node: cluster.NodeID("id-of-" + pod)} }
	a := plan.Move{From: end("a"), To: end("c"), Slots: slots(0, 9)}
	b := plan.Move{From: end("b"), To: end("c"), Slots: slots(10, 19)}
	rc := defaulted(func(rc *redisv1.RedisCluster) { rc.UID = "one" })
	all := newLedgers()
	l := all.of(rc)
	full := errors.New("c: OOM")

	// One pair fails, the other moves a part and is blocked by a key.
	moved := []redis.Moved{{}, {Slots: slots(10, 14), Keys: 9, Blocked: []redis.Blocked{{Slot: 15, Key: "k\n", Bytes: 5}}}}
	if !l.enter([]plan.Move{a, b}, moved, full, birth) {
		t.Error("nothing came of it")
	}
	if got := l.trouble(); !errors.Is(got, full) {
		t.Errorf("trouble %v", got)
	}
	if got := l.blockedSlots(); len(got) != 1 || got[0] != (redisv1.BlockedSlot{Slot: 15, Key: `"k\n"`, Bytes: 5, PodName: "b"}) {
		t.Errorf("blocked %+v", got)
	}
	b.Slots = slots(15, 19)
	if due := l.due([]plan.Move{a, b}, birth.Add(rest-1)); len(due) != 1 || due[0].Slots != slots(16, 19) || due[0].From != b.From {
		t.Errorf("due %+v", due)
	}
	if due := l.due([]plan.Move{a, b}, birth.Add(rest)); len(due) != 2 || due[1].Slots != b.Slots {
		t.Errorf("after the rest due %+v", due)
	}
	if got := l.wake(nil, birth.Add(rest/2)); got != rest/2 {
		t.Errorf("wakes after %s", got)
	}
	if got := l.wake(nil, birth.Add(rest-1)); got != pause {
		t.Errorf("wakes after %s", got)
	}

	// It gets better.
	if !l.enter([]plan.Move{a, b}, []redis.Moved{{Running: true}, {Slots: b.Slots}}, nil, birth) {
		t.Error("nothing came of it")
	}
	if l.trouble() != nil || len(l.blockedSlots()) > 0 {
		t.Errorf("still %v, %v", l.trouble(), l.blockedSlots())
	}
	if got := l.wake(nil, birth); got != pause {
		t.Errorf("without a word wakes after %s", got)
	}
	if got := l.wake(full, birth); got != rest {
		t.Errorf("after an error wakes after %s", got)
	}

	// What is not to move any more is forgotten, and so is all with another spec or another cluster.
	l.enter([]plan.Move{a, b}, []redis.Moved{{}, {Blocked: []redis.Blocked{{Slot: 15}}}}, full, birth)
	l.settle([]cluster.Transfer{{From: a.From.Node, To: a.To.Node, Slots: a.Slots}})
	if l.trouble() == nil || len(l.blockedSlots()) != 0 {
		t.Errorf("settled: %v, %v", l.trouble(), l.blockedSlots())
	}
	l.settle(nil)
	if l.trouble() != nil {
		t.Errorf("settled: %v", l.trouble())
	}
	l.enter([]plan.Move{a}, []redis.Moved{{}}, full, birth)
	l.weights = new(cluster.Weights)
	if all.of(rc) != l || all.of(rc).trouble() == nil {
		t.Error("forgot too early")
	}
	rc.Generation++
	if all.of(rc).trouble() != nil || all.of(rc).weights == nil {
		t.Error("with another spec it is tried again, and weights stay")
	}
	rc.UID = "two"
	if all.of(rc).weights != nil {
		t.Error("another cluster of the same name")
	}
	l = all.of(rc)
	all.forget(cache.MetaObjectToName(rc))
	if all.of(rc) == l {
		t.Error("remembers a cluster that is gone")
	}
}

// An operator that was restarted says what is blocked before it has tried itself, and tries at once.
func TestLedger_AfterRestart(t *testing.T) {
	t.Parallel()
	rc := defaulted(func(rc *redisv1.RedisCluster) {
		rc.Status.Migration = &redisv1.MigrationStatus{Blocked: blocked(2)}
	})
	l := newLedgers().of(rc)
	if got := l.blockedSlots(); !slices.Equal(got, blocked(2)) {
		t.Errorf("blocked %+v", got)
	}
	move := plan.Move{From: plan.End{Pod: "demo-0"}, Slots: cluster.AllSlots()}
	if due := l.due([]plan.Move{move}, birth); len(due) != 1 || due[0].Slots != cluster.AllSlots() {
		t.Errorf("due %+v", due)
	}
}

func TestKeyName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", 200)
	for key, want := range map[string]string{"a": `"a"`, "\xff\x00": `"\xff\x00"`, `"`: `"\""`, "ü": `"ü"`} {
		if got := keyName(key); got != want {
			t.Errorf("%q: %s, want %s", key, got, want)
		}
	}
	if got := keyName(long); len(got) > redisv1.MaxKeyName+10 || !strings.HasSuffix(got, "…") {
		t.Errorf("long: %d bytes: %s", len(got), got)
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[int64]string{
		0: "0 bytes", 1023: "1023 bytes", 1024: "1.0 KiB", 70 << 20: "70.0 MiB", 3 << 29: "1.5 GiB", 1<<63 - 1: "8.0 EiB",
	} {
		if got := size(bytes); got != want {
			t.Errorf("%d: %s, want %s", bytes, got, want)
		}
	}
}
