package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	clienttesting "k8s.io/client-go/testing"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/client/clientset/versioned/fake"
)

// moving is a RedisCluster from three masters to four, in the middle of it.
func moving(namespace, name string) *redisv1.RedisCluster {
	rc := converged(namespace, name)
	rc.Generation, rc.Status.ObservedGeneration = 3, 3
	four := int32(4)
	rc.Spec.NumberOfMaster = &four
	eta := metav1.NewTime(now.Add(80 * time.Second))
	rc.Status.Migration = &redisv1.MigrationStatus{
		StartTime: ago(70 * time.Second), SlotsMoved: 1887, SlotsLeft: 2209, KeysMoved: 1234567, BytesMoved: 1288490189,
		KeysPerSecond: 72000, BytesPerSecond: 12 << 20, EstimatedCompletionTime: &eta,
		Pairs: []redisv1.MigrationPair{
			{From: rc.PodName(1), To: rc.PodName(6), SlotsLeft: 885},
			{From: rc.PodName(0), To: rc.PodName(6), SlotsLeft: 812},
			{From: rc.PodName(2), To: rc.PodName(6), SlotsLeft: 512},
		},
	}
	rc.Status.Conditions[0] = condition(redisv1.ConditionProgressing, metav1.ConditionTrue, "MovingSlots",
		fmt.Sprintf("moving 128 slots from %s, %s and %s to %s (2209 left)",
			rc.PodName(0), rc.PodName(1), rc.PodName(2), rc.PodName(6)))
	return rc
}

// blocked is one whose slots cannot all move.
func blocked() *redisv1.RedisCluster {
	rc := moving("default", "demo")
	most := resource.MustParse("64Mi")
	rc.Spec.Migration.MaxKeyBytes = &most
	rc.Status.Migration.Blocked = []redisv1.BlockedSlot{
		{Slot: 5461, Key: "user:\x00\x1b[31mbig", Bytes: 120 << 20, PodName: "demo-0"},
		{Slot: 16383, Key: `"caf\xc3\xa9"`, Bytes: 5 << 30, PodName: "demo-2"},
	}
	rc.Status.Conditions[2] = condition(redisv1.ConditionDegraded, metav1.ConditionTrue, redisv1.ReasonKeyTooBig,
		"2 slots stay where they are because of keys larger than 64Mi")
	return rc
}

// huge has the largest numbers and the longest names.
func huge() *redisv1.RedisCluster {
	rc := moving(strings.Repeat("n", 63), strings.Repeat("c", 43))
	most := int64(math.MaxInt64)
	never := metav1.NewTime(now.Add(math.MaxInt64))
	m := rc.Status.Migration
	m.SlotsMoved, m.SlotsLeft = math.MaxInt32, math.MaxInt32
	m.KeysMoved, m.BytesMoved, m.KeysPerSecond, m.BytesPerSecond = most, most, most, most
	m.EstimatedCompletionTime = &never
	m.Pairs, m.Blocked = nil, nil
	for i := range redisv1.MaxMigrationPairs {
		m.Pairs = append(m.Pairs, redisv1.MigrationPair{
			From: rc.PodName(i), To: rc.PodName(900 + i), SlotsLeft: math.MaxInt32 - int32(i*7919%64),
		})
	}
	m.Blocked = []redisv1.BlockedSlot{{
		Slot: 16383, Key: strings.Repeat("k", redisv1.MaxKeyName), Bytes: most, PodName: rc.PodName(999),
	}}
	return rc
}

// standing is a RedisCluster that does nothing for this reason.
func standing(reason, message string) *redisv1.RedisCluster {
	rc := converged("default", "demo")
	if reason == redisv1.ReasonDryRun {
		rc.Annotations = map[string]string{redisv1.AnnotationDryRun: "true"}
	}
	rc.Status.Conditions[0] = condition(redisv1.ConditionProgressing, metav1.ConditionFalse, reason, message)
	return rc
}

func TestStatusText(t *testing.T) {
	t.Parallel()
	last, late, unknown := moving("default", "demo"), moving("default", "demo"), moving("default", "demo")
	last.Status.Migration.SlotsMoved, last.Status.Migration.SlotsLeft, last.Status.Migration.Pairs = 4096, 0, nil
	past := ago(time.Minute)
	late.Status.Migration.SlotsMoved, late.Status.Migration.SlotsLeft = 4095, 1
	late.Status.Migration.EstimatedCompletionTime = &past
	unknown.Status.Migration = &redisv1.MigrationStatus{
		StartTime: ago(-time.Second), SlotsLeft: 4096, Pairs: unknown.Status.Migration.Pairs,
	}
	paused, dry := standing("Paused", "2209 slots are still to move"), standing("DryRun", "4 steps would be done")
	paused.Spec.Paused = true
	behind := moving("default", "demo")
	behind.Generation++
	full := standing("DataDoesNotFit", "3 masters hold 500Mi, 2 would have room for 384Mi")
	full.Status.Conditions[2] = condition(redisv1.ConditionDegraded, metav1.ConditionTrue, "DataDoesNotFit", "it does not fit")
	failing := moving("default", "demo")
	failing.Status.Conditions[2] = condition(redisv1.ConditionDegraded, metav1.ConditionTrue, redisv1.ReasonMoveFailed,
		"demo-6: OOM command not allowed when used memory > 'maxmemory'")
	for name, rc := range map[string]*redisv1.RedisCluster{
		"status_moving": moving("default", "demo"), "status_last": last, "status_late": late, "status_unknown": unknown,
		"status_blocked": blocked(), "status_huge": huge(), "status_paused": paused, "status_dry_run": dry,
		"status_full": full, "status_failing": failing, "status_behind": behind, "status_fresh": fresh("default", "new"),
		"status_deleted": deleted("default", "going"), "status_odd": troubled(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redisv1.SetDefaults(rc)
			golden(t, name, statusText(rc, look{width: 79}, now))
		})
	}
	if n := strings.Count(statusText(huge(), look{wide: true}, now), "→"); n != redisv1.MaxMigrationPairs {
		t.Errorf("%d pairs in the wide form", n)
	}
	golden(t, "status_narrow", statusText(blocked(), look{width: 40}, now))
	golden(t, "status_blocked_unlimited", statusText(blocked(), look{}, now))
	golden(t, "status_colours", strings.ReplaceAll(statusText(blocked(), look{width: 79, paint: true}, now), "\x1b", "ESC"))
}

// What is meant to fit does, in all widths, and colours change nothing but the colour.
func TestStatusTextFits(t *testing.T) {
	t.Parallel()
	for _, rc := range []*redisv1.RedisCluster{moving("default", "demo"), blocked(), troubled()} {
		for width := 60; width < 200; width += 7 {
			text := statusText(rc, look{width: width}, now)
			for line := range strings.Lines(text) {
				if n := cells(strings.TrimSuffix(line, "\n")); n > width {
					t.Errorf("%d columns of %d: %s", n, width, line)
				}
			}
			if coloured := statusText(rc, look{width: width, paint: true}, now); plain(coloured) != text || coloured == text {
				t.Errorf("with colours it is\n%s\nwithout\n%s", coloured, text)
			}
		}
	}
}

func TestProgressIsRoundedDown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		moved, left int32
		want        string
	}{
		{0, 0, "0.0%"},
		{0, 4096, "0.0%"},
		{1, 4095, "0.0%"},
		{5, 4091, "0.1%"},
		{2048, 2048, "50.0%"},
		{16383, 1, "99.9%"},
		{4096, 0, "100.0%"},
		{-5, -7, "0.0%"},
		{math.MaxInt32, 1, "99.9%"},
		{math.MinInt32, math.MaxInt32, "0.0%"},
	} {
		p := progressOf(&redisv1.MigrationStatus{SlotsMoved: c.moved, SlotsLeft: c.left})
		if got := p.percent(); got != c.want {
			t.Errorf("%d of %d: %s, want %s", c.moved, c.left, got, c.want)
		}
		for _, width := range []int{0, 20, 60, 79, 300} {
			bar := p.meter(look{width: width})
			full, empty := strings.Count(bar, "#"), strings.Count(bar, ".")-strings.Count(c.want, ".")
			if full+empty < meterLeast || full+empty > meterMost || c.left > 0 && empty == 0 || c.moved <= 0 && full > 0 {
				t.Errorf("%d of %d in %d columns: %s", c.moved, c.left, width, bar)
			}
		}
	}
}

// The lines of pairs do not jump: shuffled, the text is the same.
func TestPairsKeepTheirPlaces(t *testing.T) {
	t.Parallel()
	want := statusText(moving("default", "demo"), look{}, now)
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		rc := moving("default", "demo")
		pairs := rc.Status.Migration.Pairs
		random.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
		if got := statusText(rc, look{}, now); got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	}
}

func TestFormatCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0", 999: "999", 1000: "1,000", -1: "-1", -123456: "-123,456", 1234567: "1,234,567",
		math.MaxInt64: "9,223,372,036,854,775,807", math.MinInt64: "-9,223,372,036,854,775,808",
	} {
		if got := formatCount(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestKeyName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", keyShown)
	for key, want := range map[string]string{
		"": `""`, "user:1": `"user:1"`, "a\"b\\c": `"a\"b\\c"`, "\x00\x1b[31m\n": `"\x00\x1b[31m\x0a"`, "é": `"\xc3\xa9"`,
		`"a\"b\x00"`: `"a\"b\x00"`, `"unfinished`: `"\"unfinished"`, long: `"` + long + `"`, long + "k": `"` + long + `…"`,
	} {
		if got := keyName(key); got != want {
			t.Errorf("%q: %s, want %s", key, got, want)
		}
	}
}

func TestReasonsInTableTreeAndWhy(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"table_moving": {}, "tree_moving": {"tree", "demo", "--live=false"}, "why_moving": {"why", "demo"},
	} {
		f := newFixture("default", nil, moving("default", "demo"), deleted("default", "going"))
		if err := f.run(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
		golden(t, name, f.out.String())
	}
	golden(t, "why_blocked", Why(blocked(), nil, now))
	golden(t, "why_paused", Why(standing("Paused", "2209 slots are still to move"), nil, now))
}

func TestStatusAsData(t *testing.T) {
	t.Parallel()
	f := newFixture("default", nil, moving("default", "demo"))
	if err := f.run(t.Context(), "status", "demo", "-o", "json"); err != nil {
		t.Fatal(err)
	}
	var rc redisv1.RedisCluster
	if err := json.Unmarshal(f.out.Bytes(), &rc); err != nil || rc.Status.Migration.SlotsLeft != 2209 {
		t.Errorf("%v: %s", err, f.out.String())
	}
}

// script lets a RedisCluster become one after the other: each look is followed by the next change.
func script(t *testing.T, f *fixture, states ...*redisv1.RedisCluster) {
	t.Helper()
	client := fake.NewClientset(states[0])
	f.clients.Redis = client
	at := 0
	client.PrependReactor("get", "redisclusters", func(clienttesting.Action) (bool, runtime.Object, error) {
		rc := states[min(at, len(states)-1)]
		if at++; at < len(states) {
			next := states[at].DeepCopy()
			next.ResourceVersion = fmt.Sprint(at)
			if err := client.Tracker().Update(redisv1.SchemeGroupVersion.WithResource("redisclusters"), next, "default"); err != nil {
				t.Error(err)
			}
		}
		return true, rc.DeepCopy(), nil
	})
}

func TestWatchStatusUntilDone(t *testing.T) {
	t.Parallel()
	half, behind := moving("default", "demo"), converged("default", "demo")
	half.Status.Migration.SlotsMoved, half.Status.Migration.SlotsLeft = 4000, 96
	behind.Generation++
	f := newFixture("default", nil)
	script(t, f, behind, moving("default", "demo"), moving("default", "demo"), half, converged("default", "demo"))
	if err := f.run(t.Context(), "status", "demo", "--until-done"); err != nil {
		t.Fatal(err)
	}
	golden(t, "watch_lines", f.out.String())
}

func TestWatchStatusInPlace(t *testing.T) {
	t.Parallel()
	e := &emulator{width: 80, height: 30}
	f := newFixture("default", nil)
	f.prepare = func(c *command) {
		c.term = terminal{inPlace: true, colours: true, size: func() (int, int) { return e.width, e.height }}
	}
	script(t, f, blocked(), moving("default", "demo"), converged("default", "demo"))
	e.write(t, "$ kubectl redis-cluster status demo --watch --until-done\n")
	if err := f.run(t.Context(), "status", "demo", "--watch", "--until-done"); err != nil {
		t.Fatal(err)
	}
	e.write(t, f.out.String())
	golden(t, "watch_in_place", e.String())
	if e.scrolled != 0 || strings.Count(f.out.String(), "Slots  [") != 2 {
		t.Errorf("scrolled %d:\n%q", e.scrolled, f.out.String())
	}
}

func TestWatchStatusStandsStill(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"Paused", "DataDoesNotFit", "DryRun", "InvalidSpec", "KeyTooBig"} {
		f := newFixture("default", nil)
		script(t, f, moving("default", "demo"), standing(reason, "so it is"))
		err := f.run(t.Context(), "status", "demo", "--until-done")
		if !errors.Is(err, ErrNotDone) || !strings.Contains(err.Error(), reason+": so it is") {
			t.Errorf("%s: %v", reason, err)
		}
	}
	// An error of the moment is waited out.
	f := newFixture("default", nil)
	script(t, f, standing("ReconcileError", "etcd is away"), converged("default", "demo"))
	if err := f.run(t.Context(), "status", "demo", "--until-done"); err != nil {
		t.Error(err)
	}
}

func TestWatchStatusEnds(t *testing.T) {
	t.Parallel()
	f := newFixture("default", nil, moving("default", "demo"))
	err := f.run(t.Context(), "status", "demo", "--until-done", "--timeout=1ms")
	if !errors.Is(err, ErrNotDone) || !strings.Contains(err.Error(), "after 1ms") {
		t.Errorf("a timeout ends in %v", err)
	}
	if err := f.run(t.Context(), "status", "demo", "--watch", "--timeout=1ms"); err != nil {
		t.Errorf("a watch that is over ends in %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.run(ctx, "status", "demo", "--until-done"); !errors.Is(err, ErrNotDone) {
		t.Errorf("Ctrl-C before it is done ends in %v", err)
	}
	if err := f.run(ctx, "status", "demo", "--watch"); err != nil {
		t.Errorf("Ctrl-C ends a watch in %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	client, ok := f.clients.Redis.(*fake.Clientset)
	if !ok {
		t.Fatalf("%T", f.clients.Redis)
	}
	client.PrependReactor("get", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
		cancel() // in the middle of a look
		return true, nil, ctx.Err()
	})
	if err := f.run(ctx, "status", "demo", "--watch"); err != nil {
		t.Errorf("Ctrl-C in the middle of a look ends in %v", err)
	}
	if err := newFixture("default", nil).run(t.Context(), "status", "demo", "--until-done"); err == nil {
		t.Error("a RedisCluster that is not there is done")
	}
}

// An API server that is away for a while is waited for, each time longer; one that says no is not.
func TestWatchTriesAgain(t *testing.T) {
	t.Parallel()
	gone := apierrors.NewServiceUnavailable("etcd has no leader")
	var waits []time.Duration
	watches := 0
	watcher := func(fail func(int) error) *fixture {
		waits, watches = nil, 0
		f := newFixture("default", nil)
		f.prepare = func(c *command) {
			c.pause = func(_ context.Context, d time.Duration) { waits = append(waits, d) }
		}
		script(t, f, moving("default", "demo"), converged("default", "demo"))
		client, ok := f.clients.Redis.(*fake.Clientset)
		if !ok {
			t.Fatalf("%T", f.clients.Redis)
		}
		client.PrependWatchReactor("*", func(clienttesting.Action) (bool, watch.Interface, error) {
			watches++
			err := fail(watches)
			return err != nil, nil, err
		})
		return f
	}
	f := watcher(func(n int) error {
		if n <= 3 {
			return gone
		}
		return nil
	})
	if err := f.run(t.Context(), "status", "demo", "--until-done"); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprint([]time.Duration{firstPause, 2 * firstPause, 4 * firstPause}); fmt.Sprint(waits) != want {
		t.Errorf("waited %v, want %s", waits, want)
	}
	f = watcher(func(int) error { return gone })
	if err := f.run(t.Context(), "status", "demo", "--until-done"); !errors.Is(err, gone) || len(waits) != mostFailures {
		t.Errorf("%v after %d waits", err, len(waits))
	}
	if longest := waits[len(waits)-1]; longest != longestPause {
		t.Errorf("the last wait is %s", longest)
	}
	f = watcher(func(int) error {
		return apierrors.NewForbidden(redisv1.Resource("redisclusters"), "demo", errors.New("no"))
	})
	if err := f.run(t.Context(), "status", "demo", "--until-done"); !apierrors.IsForbidden(err) || watches != 1 {
		t.Errorf("%v after %d watches", err, watches)
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	f := newFixture("default", nil, converged("default", "demo"))
	client, ok := f.clients.Redis.(*fake.Clientset)
	if !ok {
		t.Fatalf("%T", f.clients.Redis)
	}
	var patches []string
	client.PrependReactor("patch", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		patch, ok := a.(clienttesting.PatchAction)
		if !ok {
			t.Fatalf("%T", a)
		}
		patches = append(patches, fmt.Sprint(patch.GetPatchType(), " ", string(patch.GetPatch())))
		return false, nil, nil
	})
	for _, verb := range []string{"pause", "pause", "resume", "resume"} {
		if err := f.run(t.Context(), verb, "demo"); err != nil {
			t.Fatal(err)
		}
		rc, err := f.clients.get(t.Context(), "demo")
		if err != nil || rc.Spec.Paused != (verb == "pause") {
			t.Errorf("after %s paused is %t, %v", verb, rc.Spec.Paused, err)
		}
	}
	want := `application/merge-patch+json {"metadata":{"uid":"uid-1"},"spec":{"paused":true}}` + "\n" +
		`application/merge-patch+json {"metadata":{"uid":"uid-1"},"spec":{"paused":false}}`
	if got := strings.Join(patches, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	golden(t, "pause", f.out.String())
	if err := newFixture("default", nil).run(t.Context(), "pause", "demo"); err == nil {
		t.Error("nothing was paused, and nobody was told")
	}
}

func TestOnlyPauseWrites(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"demo"}, {"tree", "demo"}, {"status", "demo"}, {"why", "demo"}, {"plan", "demo"}} {
		f := newFixture("default", nil, moving("default", "demo"))
		if err := f.run(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
		client, ok := f.clients.Redis.(*fake.Clientset)
		if !ok {
			t.Fatalf("%T", f.clients.Redis)
		}
		for _, a := range client.Actions() {
			if verb := a.GetVerb(); verb != "get" && verb != "list" && verb != "watch" {
				t.Errorf("%v: %s %s", args, verb, a.GetResource().Resource)
			}
		}
	}
}

// The line that a change is told in has no colours and no cursor, whatever the cluster says.
func TestStatusLineIsPlain(t *testing.T) {
	t.Parallel()
	for _, rc := range []*redisv1.RedisCluster{moving("default", "demo"), blocked(), troubled(), huge(), fresh("default", "new")} {
		redisv1.SetDefaults(rc)
		line := statusLine(rc, now)
		if strings.ContainsAny(line, "\x1b\n\r") || !strings.HasPrefix(line, rc.Namespace+"/"+rc.Name+": ") {
			t.Errorf("%q", line)
		}
	}
	var b bytes.Buffer
	c := &command{now: func() time.Time { return now }, term: terminalOf(&b, func(string) string { return "" })}
	c.streams.Out = &b
	last := ""
	for range 3 {
		if err := c.drawStatus(&canvas{}, blocked(), &last); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(b.String(), "\n"); n != 1 {
		t.Errorf("%d lines for one state:\n%s", n, b.String())
	}
}
