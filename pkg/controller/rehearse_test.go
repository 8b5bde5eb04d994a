package controller

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

func dryRun(value string) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) { rc.Annotations = map[string]string{redisv1.AnnotationDryRun: value} }
}

// With the annotation everything is planned and only the status is written; without it, it is done.
func TestDryRun(t *testing.T) {
	t.Parallel()
	f := newCluster(t, paced(7))
	f.change(masters(4), dryRun("true"))
	for range 5 {
		f.caches.fill(f.api)
		if wait, err := f.look("shop"); err != nil || wait != rehearsalPace {
			t.Fatalf("looks again after %s, %v", wait, err)
		}
		f.pass()
	}
	for _, w := range f.life.take() {
		if w != "api update redisclusters/status demo" {
			t.Errorf("wrote %q", w)
		}
	}
	f.whole(6)
	f.says(redisv1.ConditionProgressing, "False DryRun", "status.plan", redisv1.AnnotationDryRun)
	f.says(redisv1.ConditionReady, "True Healthy")
	p := f.cluster("shop").Status.Plan
	if p == nil || p.Slots != 4096 || !slices.Equal(p.PodsCreated, []string{"demo-6", "demo-7"}) || len(p.PodsDeleted) > 0 ||
		len(p.Steps) == 0 || p.EstimatedSeconds == 0 || p.Refused != "" || p.Keys == 0 {
		t.Errorf("plan %+v", p)
	}
	edit(f.api, "shop", "demo", dryRun("false"))
	f.converge("shop")
	f.whole(8)
	f.intact()
	if p = f.cluster("shop").Status.Plan; p != nil {
		t.Errorf("the plan stays: %+v", p)
	}
}

// A cluster that is not there yet is planned, too: nothing is made for it.
func TestDryRun_OfANewCluster(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo(dryRun("true")))
	for range 3 {
		if err := f.lookFresh("shop"); err != nil {
			t.Fatal(err)
		}
		f.pass()
	}
	for _, w := range f.life.take() {
		if w != "api update redisclusters/status demo" {
			t.Errorf("wrote %q", w)
		}
	}
	if p := f.cluster("shop").Status.Plan; p == nil || len(p.PodsCreated) != 6 {
		t.Errorf("plan %+v", p)
	}
	edit(f.api, "shop", "demo", func(rc *redisv1.RedisCluster) { rc.Annotations = nil })
	f.converge("shop")
	f.whole(6)
}

// Nodes that cannot be reached, because somebody has taken the passwords away, are no reason to make new ones.
func TestDryRun_WithoutSecrets(t *testing.T) {
	t.Parallel()
	f := newCluster(t, paced(7))
	f.change(dryRun("true"))
	dropSecrets(f)
	f.start()
	if err := f.lookFresh("shop"); err != nil {
		t.Fatal(err)
	}
	f.says(redisv1.ConditionReady, "False SlotsUncovered")
	f.says(redisv1.ConditionProgressing, "False DryRun")
	for _, w := range f.life.take() {
		if w != "api update redisclusters/status demo" {
			t.Errorf("wrote %q", w)
		}
	}
}

// The annotation is looked at as soon as it is set or taken away, and other annotations are not.
func TestMeantAnything(t *testing.T) {
	t.Parallel()
	base := demo()
	base.ResourceVersion = "1"
	for name, tc := range map[string]struct {
		edit func(*redisv1.RedisCluster)
		want bool
	}{
		"dry-run is set": {dryRun("true"), true},
		"dry-run is no":  {dryRun("no"), false},
		"an approval": {func(rc *redisv1.RedisCluster) {
			rc.Annotations = map[string]string{redisv1.AnnotationApprovedRevision: "b"}
		}, true},
		"another annotation": {func(rc *redisv1.RedisCluster) { rc.Annotations = map[string]string{"a": "b"} }, false},
		"the spec":           {func(rc *redisv1.RedisCluster) { rc.Generation++ }, true},
		"the status":         {func(rc *redisv1.RedisCluster) { rc.Status.Pods++ }, false},
	} {
		now := base.DeepCopy()
		now.ResourceVersion = "2"
		tc.edit(now)
		if got := meantAnything(base, now); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRehearse_IsBounded(t *testing.T) {
	t.Parallel()
	steps := make([]string, 100)
	pods := make([]string, 1500)
	for i := range steps {
		steps[i] = strings.Repeat("x", 3000)
	}
	s := planStatus(defaulted(), plan.Outlined{
		Steps: steps, PodsDeleted: pods, PodsCreated: make([]int, 1500), Waits: "demo-1", Refused: strings.Repeat("y", 5000),
	}, plan.SpeedLatency)
	if len(s.Steps) != redisv1.MaxPlanSteps || s.Steps[len(s.Steps)-1] != "and 38 more steps" || len(s.Steps[0]) > 1024 ||
		len(s.PodsCreated) != redisv1.MaxPlanPods || len(s.PodsDeleted) != redisv1.MaxPlanPods || len(s.Refused) > 1024 {
		t.Errorf("%d steps, the last %q; %d and %d pods", len(s.Steps), s.Steps[len(s.Steps)-1], len(s.PodsCreated), len(s.PodsDeleted))
	}
	if s = planStatus(defaulted(), plan.Outlined{Steps: []string{"a"}, Waits: "demo-1"}, plan.SpeedLatency); len(s.Steps) != 2 {
		t.Errorf("steps %q", s.Steps)
	}
}

func TestSpeedOf(t *testing.T) {
	t.Parallel()
	w := clustertest.Cluster(3, 1)
	for _, tc := range []struct {
		version string
		engine  redisv1.MigrationEngine
		profile redisv1.MigrationProfile
		want    plan.Speed
	}{
		{"redis 7.0.15", "Auto", "Latency", plan.SpeedLatency},
		{"redis 8.0.2", "Auto", "Throughput", plan.SpeedThroughput},
		{"redis 8.4.0", "Auto", "Latency", plan.SpeedAtomic},
		{"redis 10.0", "Auto", "Latency", plan.SpeedAtomic},
		{"valkey 8.1.1", "Auto", "Latency", plan.SpeedLatency},
		{"valkey 9.1.2", "Auto", "Latency", plan.SpeedAtomic},
		{"valkey 9.1.2", "Classic", "Latency", plan.SpeedLatency},
		{"valkey 9.1.2", "SlotsOnly", "Latency", plan.SpeedSlotsOnly},
		{"", "Auto", "Latency", plan.SpeedLatency},
		{"redis unstable", "Auto", "Latency", plan.SpeedLatency},
	} {
		rc := defaulted(func(rc *redisv1.RedisCluster) {
			rc.Spec.Migration.Engine, rc.Spec.Migration.Profile = tc.engine, tc.profile
		})
		view := w.View()
		for i := range view.Members {
			info := *view.Members[i].Info
			info.Version = tc.version
			view.Members[i].Info = &info
		}
		if got := speedOf(rc, view); got != tc.want {
			t.Errorf("%s %s %s: %+v", tc.version, tc.engine, tc.profile, got)
		}
	}
}

// bytewise is a cluster whose slots are shared out by bytes.
func bytewise(rc *redisv1.RedisCluster) { rc.Spec.Migration.Balance = redisv1.BalanceBytes }

// Bytes are measured once a minute, not while slots move, and a node that cannot say them keeps slots where they are.
func TestWeights(t *testing.T) {
	t.Parallel()
	f := newCluster(t, paced(7), bytewise)
	step := func(d time.Duration) int {
		t.Helper()
		f.clock.(*clocktesting.FakeClock).Step(d)
		before := f.slots.measured
		if err := f.lookFresh("shop"); err != nil {
			t.Fatal(err)
		}
		return f.slots.measured - before
	}
	step(weightsAge)
	for range 3 {
		if n := step(time.Second); n != 0 {
			t.Errorf("measured %d times within a minute", n)
		}
	}
	if n := step(weightsAge); n != 3 {
		t.Errorf("measured %d nodes after a minute, want 3", n)
	}

	// A node that cannot say it is no reason to forget what was known, nor to heal nothing.
	f.slots.loadErr = errors.New("it broke")
	if n := step(weightsAge); n != 3 {
		t.Errorf("measured %d nodes", n)
	}
	f.says(redisv1.ConditionProgressing, "False Converged")
	if f.c.ledgers.of(f.cluster("shop")).weights == nil {
		t.Error("what was known is forgotten")
	}
	f.start() // who knows nothing moves nothing
	f.change(masters(4))
	f.until("the new master is there", func() bool {
		return f.condition("shop", redisv1.ConditionProgressing).Reason == redisv1.ReasonSlotsNotMeasured
	})
	f.says(redisv1.ConditionProgressing, "True SlotsNotMeasured", "it broke", "demo-")
	if f.slots.asked > 0 {
		t.Error("slots move by numbers that nobody knows")
	}
	f.slots.loadErr = nil
	f.until("slots move", func() bool { return f.migration() != nil })
	for f.migration() != nil {
		if n := step(weightsAge); n != 0 {
			t.Errorf("measured %d times while slots move", n)
		}
		f.pass()
	}
	f.converge("shop")
	f.intact()
}
