package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	clienttesting "k8s.io/client-go/testing"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/client/clientset/versioned/fake"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// tries makes updates dry runs, as an API server does, and gives what was tried.
func tries(t *testing.T, f *fixture, refuse func(*redisv1.RedisCluster) error) *[]*redisv1.RedisCluster {
	t.Helper()
	client, ok := f.clients.Redis.(*fake.Clientset)
	if !ok {
		t.Fatalf("%T", f.clients.Redis)
	}
	var tried []*redisv1.RedisCluster
	client.PrependReactor("update", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		update, ok := a.(clienttesting.UpdateActionImpl)
		if !ok || !slices.Equal(update.UpdateOptions.DryRun, []string{metav1.DryRunAll}) || update.GetSubresource() != "" {
			t.Errorf("an update that is no dry run: %+v", a)
		}
		rc, ok := update.GetObject().(*redisv1.RedisCluster)
		if !ok {
			t.Fatalf("%T", update.GetObject())
		}
		tried = append(tried, rc.DeepCopy())
		if refuse != nil {
			if err := refuse(rc); err != nil {
				return true, nil, err
			}
		}
		answer := rc.DeepCopy()
		answer.Generation++
		return true, answer, nil
	})
	return &tried
}

func slotsFrom(t *testing.T, text string) cluster.SlotSet {
	t.Helper()
	slots, err := cluster.ParseSlots(text)
	if err != nil {
		t.Fatal(err)
	}
	return slots
}

// scaleOut is a plan from three masters to four.
func scaleOut(t *testing.T) *prospect {
	t.Helper()
	rc := converged("default", "demo")
	after := rc.DeepCopy()
	four := int32(4)
	after.Spec.NumberOfMaster = &four
	return &prospect{
		rc: after, before: rc, outlined: true,
		status: redisv1.PlanStatus{
			Steps: []string{
				"creating 2 pods: 8 pods are wanted", "introducing 2 nodes to the others",
				"making demo-7 a replica of demo-6", "moving 4096 slots from 3 shards to demo-6",
			},
			PodsCreated: []string{"demo-6", "demo-7"}, Slots: 4096, Keys: 1234567, Bytes: 1288490189, EstimatedSeconds: 75,
		},
		moves: []plan.OutlinedMove{
			{From: "demo-1", To: "demo-6", Slots: slotsFrom(t, "9558-10922"), Keys: 411522, Bytes: 429496729},
			{From: "demo-0", To: "demo-6", Slots: slotsFrom(t, "4096-5461"), Keys: 411522, Bytes: 429496729},
			{From: "demo-2", To: "new shard 1", Slots: slotsFrom(t, "15019-16383"), Keys: 411523, Bytes: 429496731},
		},
	}
}

func TestPlanText(t *testing.T) {
	t.Parallel()
	wide := look{width: 79, wide: true}
	for name, c := range map[string]struct {
		look   look
		change func(*prospect)
	}{
		"plan_out":    {look{width: 79}, func(*prospect) {}},
		"plan_wide":   {wide, func(*prospect) {}},
		"plan_narrow": {look{width: 40}, func(*prospect) {}},
		"plan_none": {look{width: 79}, func(p *prospect) {
			*p = prospect{rc: p.before, before: p.before, outlined: true}
		}},
		"plan_unknown": {look{width: 79}, func(p *prospect) {
			live := answers(p.before)
			for i := range live {
				live[i].Info, live[i].Err = Info{}, ErrForbidden
			}
			p.know(live)
		}},
		"plan_some_unknown": {look{width: 79}, func(p *prospect) {
			live := answers(p.before)
			live[1].Info, live[1].Err = Info{}, errors.New("no answer in 5s")
			p.know(live)
		}},
		"plan_refused": {look{width: 79}, func(p *prospect) {
			two := int32(2)
			p.rc.Spec.NumberOfMaster = &two
			*p = prospect{rc: p.rc, before: p.before, outlined: true, status: redisv1.PlanStatus{
				Refused: "the data does not fit into 2 primaries: demo-0 would need 288Mi and has 192Mi",
			}}
		}},
		"plan_waits": {look{width: 79}, func(p *prospect) {
			p.waits, p.moves, p.status.Slots = "demo-2 does not answer: i/o timeout", nil, 0
			p.status.Steps = p.status.Steps[:1]
		}},
		"plan_dropped": {look{width: 79}, func(p *prospect) { p.rc.Spec.Migration.Engine = redisv1.EngineSlotsOnly }},
		"plan_new": {look{width: 79}, func(p *prospect) {
			p.before.Status.Bootstrapped = false
		}},
		"plan_uneven": {look{width: 79}, func(p *prospect) { p.before.Status.MinReplicationFactor = 0 }},
		"plan_huge": {look{width: 79}, func(p *prospect) {
			p.status.Steps[3] += ": 1" + strings.Repeat(",123-456", 1000)
			p.status.Keys, p.status.Bytes, p.status.EstimatedSeconds = math.MaxInt64, math.MaxInt64, math.MaxInt64
			for i := range 60 {
				p.status.PodsDeleted = append(p.status.PodsDeleted, p.rc.PodName(100+i))
				p.status.Steps = append(p.status.Steps, fmt.Sprintf("deleting\ndemo-%d\x1b[31m", 100+i))
				p.moves = append(p.moves, plan.OutlinedMove{
					From: p.rc.PodName(100 + i), To: p.rc.PodName(i % 3), Keys: math.MaxInt64, Bytes: math.MaxInt64,
				})
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := scaleOut(t)
			c.change(p)
			text := planText(p, c.look)
			golden(t, name, text)
			c.look.paint = true
			if coloured := planText(p, c.look); plain(coloured) != text {
				t.Errorf("with colours it is\n%s", coloured)
			}
		})
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"plan_verb_nothing": {},
		"plan_verb_out":     {"--masters=4"},
		"plan_verb_in":      {"--masters=2"},
		"plan_verb_copies":  {"--replicas=2"},
		"plan_verb_none":    {"--replicas=0"},
		"plan_verb_both":    {"--masters=5", "--replicas=0", "-o", "wide"},
		"plan_verb_silent":  {"--masters=4", "--live=false"},
		"plan_verb_yaml":    {"--masters=4", "-o", "yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture("default", nil, converged("default", "demo"))
			tries(t, f, nil)
			if err := f.run(t.Context(), append([]string{"plan", "demo"}, args...)...); err != nil {
				t.Fatal(err)
			}
			golden(t, name, f.out.String())
		})
	}
}

// Data that does not fit is refused with figures, before anything moves; dropping it is always possible.
func TestPlanOfWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	f := newFixture("default", nil, converged("default", "demo"))
	tries(t, f, nil)
	ask := f.clients.Ask
	f.clients.Ask = func(ctx context.Context, namespace, pod string) (Info, error) {
		info, err := ask(ctx, namespace, pod)
		info.MaxMemory = 70 << 20
		return info, err
	}
	if err := f.run(t.Context(), "plan", "demo", "--masters=2"); !errors.Is(err, ErrRefused) {
		t.Errorf("it ends in %v", err)
	}
	golden(t, "plan_verb_full", f.out.String())
	rc := converged("default", "demo")
	rc.Spec.Migration.Engine = redisv1.EngineSlotsOnly
	overfull := newFixture("default", nil, rc)
	overfull.clients.Ask = f.clients.Ask
	tries(t, overfull, nil)
	if err := overfull.run(t.Context(), "plan", "demo", "--masters=2"); err != nil {
		t.Errorf("with engine SlotsOnly it ends in %v", err)
	}
	golden(t, "plan_verb_dropped", overfull.out.String())
}

func TestPlanTriesTheSpec(t *testing.T) {
	t.Parallel()
	f := newFixture("default", nil, converged("default", "demo"))
	tried := tries(t, f, nil)
	if err := f.run(t.Context(), "plan", "demo", "--masters=5", "--replicas=0"); err != nil {
		t.Fatal(err)
	}
	if len(*tried) != 1 || *(*tried)[0].Spec.NumberOfMaster != 5 || *(*tried)[0].Spec.ReplicationFactor != 0 {
		t.Errorf("tried %+v", *tried)
	}
	rc, err := f.clients.get(t.Context(), "demo")
	if err != nil || *rc.Spec.NumberOfMaster != 3 {
		t.Errorf("after a plan there are %d masters, %v", *rc.Spec.NumberOfMaster, err)
	}
	// The plan of the present spec needs no dry run.
	*tried = nil
	if err := f.run(t.Context(), "plan", "demo"); err != nil || len(*tried) != 0 {
		t.Errorf("%v, tried %+v", err, *tried)
	}
}

func TestPlanSaysWhatTheAPIServerRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture("default", nil, converged("default", "demo"))
	tries(t, f, func(rc *redisv1.RedisCluster) error {
		return apierrors.NewInvalid(redisv1.SchemeGroupVersion.WithKind("RedisCluster").GroupKind(), rc.Name, field.ErrorList{
			field.Invalid(field.NewPath("spec"), nil, "spec.numberOfMaster * (1 + spec.replicationFactor) must be at most 1000"),
		})
	})
	err := f.run(t.Context(), "plan", "demo", "--masters=900")
	if err == nil || !strings.Contains(err.Error(), "refuses this spec") || !strings.Contains(err.Error(), "at most 1000") {
		t.Errorf("%v", err)
	}
	if f.out.Len() > 0 {
		t.Errorf("a plan of what cannot be:\n%s", f.out.String())
	}
}

// The operator writes the status while a plan is made.
func TestPlanTriesAgainOnConflict(t *testing.T) {
	t.Parallel()
	f := newFixture("default", nil, converged("default", "demo"))
	conflicts := 0
	tried := tries(t, f, func(rc *redisv1.RedisCluster) error {
		if conflicts++; conflicts < 3 {
			return apierrors.NewConflict(redisv1.Resource("redisclusters"), rc.Name, errors.New("it was changed"))
		}
		return nil
	})
	if err := f.run(t.Context(), "plan", "demo", "--masters=4"); err != nil || len(*tried) != 3 {
		t.Errorf("%v after %d tries", err, len(*tried))
	}
}

func TestPlanOfWhoMayOnlyRead(t *testing.T) {
	t.Parallel()
	forbid := func(rc *redisv1.RedisCluster) error {
		return apierrors.NewForbidden(redisv1.Resource("redisclusters"), rc.Name, errors.New("no"))
	}
	f := newFixture("default", nil, converged("default", "demo"))
	tries(t, f, forbid)
	if err := f.run(t.Context(), "plan", "demo", "--masters=4"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(f.out.String(), "You may not update RedisClusters") ||
		!strings.Contains(f.out.String(), "→ 4 masters with 1 replica each") {
		t.Error(f.out.String())
	}
	for _, flags := range [][]string{{"--masters=2"}, {"--masters=-1"}, {"--replicas=-1"}, {"--masters=900"}} {
		f := newFixture("default", nil, converged("default", "demo"))
		tries(t, f, forbid)
		if err := f.run(t.Context(), append(flags, "plan", "demo")...); err == nil {
			t.Errorf("%v: a plan of what cannot be:\n%s", flags, f.out.String())
		}
	}
}

func TestPlanOfTheOperator(t *testing.T) {
	t.Parallel()
	rc := converged("default", "demo")
	rc.Annotations = map[string]string{redisv1.AnnotationDryRun: "true"}
	rc.Status.Plan = &redisv1.PlanStatus{
		Steps: []string{"creating 2 pods", "moving 4096 slots"}, PodsCreated: []string{"demo-6", "demo-7"}, Slots: 4096, Keys: 12,
		Bytes: 3456, EstimatedSeconds: 8,
	}
	f := newFixture("default", nil, rc)
	if err := f.run(t.Context(), "plan", "demo"); err != nil {
		t.Fatal(err)
	}
	golden(t, "plan_operator", f.out.String())
	if err := f.run(t.Context(), "plan", "demo", "--detailed-exitcode"); !errors.Is(err, ErrChanges) {
		t.Errorf("something is to do, and it ends in %v", err)
	}
	f.out.Reset()
	tries(t, f, nil)
	if err := f.run(t.Context(), "plan", "demo", "--masters=3"); err != nil {
		t.Fatal(err)
	}
	if text := f.out.String(); strings.Contains(text, "The operator made this plan") || !strings.Contains(text, "dry-run keeps") {
		t.Errorf("with flags the plan is made here:\n%s", text)
	}

	rc.Status.Plan = &redisv1.PlanStatus{Refused: "the data does not fit into 2 primaries"}
	f = newFixture("default", nil, rc)
	if err := f.run(t.Context(), "plan", "demo"); !errors.Is(err, ErrRefused) {
		t.Errorf("a refused plan ends in %v", err)
	}
	if !strings.Contains(f.out.String(), "Refused: the data does not fit into 2 primaries\n") {
		t.Error(f.out.String())
	}

	rc.Status.Plan = &redisv1.PlanStatus{}
	f = newFixture("default", nil, rc)
	if err := f.run(t.Context(), "plan", "demo", "--detailed-exitcode"); err != nil || !strings.Contains(f.out.String(), "Nothing to do") {
		t.Errorf("%v:\n%s", err, f.out.String())
	}
}

func TestPlanAsData(t *testing.T) {
	t.Parallel()
	rc := converged("default", "demo")
	rc.Status.Plan = &redisv1.PlanStatus{Steps: []string{"a"}, Slots: 7}
	f := newFixture("default", nil, rc)
	if err := f.run(t.Context(), "plan", "demo", "-o", "json"); err != nil {
		t.Fatal(err)
	}
	var got redisv1.PlanStatus
	if err := json.Unmarshal(f.out.Bytes(), &got); err != nil || got.Slots != 7 || len(got.Steps) != 1 {
		t.Errorf("%v: %s", err, f.out.String())
	}
}

func TestPlanNotes(t *testing.T) {
	t.Parallel()
	rc := converged("default", "demo")
	rc.Spec.Paused, rc.Spec.Migration.Balance = true, redisv1.BalanceBytes
	rc.Generation++
	p := &prospect{rc: rc, before: rc}
	p.outline(answers(rc))
	notes := strings.Join(p.notes, "\n")
	for _, want := range []string{"It is paused", "kubectl redis-cluster resume demo -n default", "has not answered the present spec"} {
		if !strings.Contains(notes, want) {
			t.Errorf("%q is missing in\n%s", want, notes)
		}
	}
}

// What the rules are given is what the status and the nodes say.
func TestViewOf(t *testing.T) {
	t.Parallel()
	rc := converged("default", "demo")
	v := viewOf(rc, answers(rc))
	shards := v.Shards()
	if len(shards) != 3 || len(v.Hosts) != 3 || len(v.Members) != 6 {
		t.Fatalf("%d shards, %d hosts, %d members", len(shards), len(v.Hosts), len(v.Members))
	}
	for i, s := range shards {
		primary := s.Primary
		if primary.Pod.Name != rc.PodName(i) || primary.Info.Keys != int64(1)<<(5*i) || primary.Info.MaxBytes != 192<<20 ||
			primary.Pod.Zone != string(rune('a'+i)) || len(s.Replicas) != 1 || primary.Info.DataBytes != primary.Info.UsedBytes {
			t.Errorf("%+v", primary)
		}
	}
	data := int64(77)
	live := answers(rc)
	live[0].Info.DataBytes = &data
	if got := viewOf(rc, live).Members[0].Info.DataBytes; got != data {
		t.Errorf("%d bytes of data", got)
	}
	odd := troubled()
	odd.Status.FormerNodes = []string{nodeID(77), nodeID(55)}
	v = viewOf(odd, nil)
	if m := v.Members[len(v.Members)-2]; m.Pod.Name != "odd-8" || m.Seen() || m.Unseen == "" {
		t.Errorf("a node that could not be asked: %+v", m)
	}
	if len(v.Former) != 2 || !slices.IsSorted(v.Former) {
		t.Errorf("%v", v.Former)
	}
}

func TestWantedOf(t *testing.T) {
	t.Parallel()
	rc := moving("default", "demo")
	two, no := int32(2), false
	rc.Spec.ReplicationFactor, rc.Spec.Placement.ZoneAware, rc.Spec.Migration.Engine = &two, &no, redisv1.EngineSlotsOnly
	rc.Spec.Paused, rc.Spec.Update.Strategy = true, redisv1.UpdateSupervised
	want := plan.Wanted{
		Primaries: 4, Replicas: 2, Bootstrapped: true, Moving: true, Overfill: true,
		Object: "-n default rdc/demo", HoldPrimaries: true,
	}
	if got := wantedOf(rc); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestSpeedOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		engine   redisv1.MigrationEngine
		profile  redisv1.MigrationProfile
		versions []string
		want     plan.Speed
	}{
		{redisv1.EngineAuto, redisv1.ProfileLatency, []string{"valkey 9.0.1", "valkey 9.1.0"}, plan.SpeedAtomic},
		{redisv1.EngineAuto, redisv1.ProfileLatency, []string{"redis 8.4.0", "redis 10.0"}, plan.SpeedAtomic},
		{redisv1.EngineAuto, redisv1.ProfileLatency, []string{"redis 8.4.0", "redis 8.2.1"}, plan.SpeedLatency},
		{redisv1.EngineAuto, redisv1.ProfileLatency, []string{"valkey 8.1.3"}, plan.SpeedLatency},
		{redisv1.EngineAuto, redisv1.ProfileLatency, []string{"valkey 9.0.1", ""}, plan.SpeedLatency},
		{redisv1.EngineAuto, redisv1.ProfileThroughput, nil, plan.SpeedThroughput},
		{redisv1.EngineClassic, redisv1.ProfileLatency, []string{"valkey 9.0.1"}, plan.SpeedLatency},
		{redisv1.EngineClassic, redisv1.ProfileThroughput, []string{"valkey 9.0.1"}, plan.SpeedThroughput},
		{redisv1.EngineSlotsOnly, redisv1.ProfileLatency, []string{"redis 7.0.15"}, plan.SpeedSlotsOnly},
	} {
		rc := converged("default", "demo")
		rc.Spec.Migration.Engine, rc.Spec.Migration.Profile = c.engine, c.profile
		var live []LiveInfo
		for _, v := range c.versions {
			live = append(live, LiveInfo{Info: Info{Version: v}})
		}
		if got := speedOf(rc, live); got != c.want {
			t.Errorf("%+v: %+v", c, got)
		}
	}
	rc := converged("default", "demo")
	if got := speedOf(rc, []LiveInfo{{Err: context.Canceled}}); got != plan.SpeedLatency {
		t.Errorf("of nodes that do not answer: %+v", got)
	}
}
