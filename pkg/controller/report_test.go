package controller

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/kube"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// defaulted is demo as a sync has it.
func defaulted(edits ...func(*redisv1.RedisCluster)) *redisv1.RedisCluster {
	rc := demo(edits...)
	rc.Generation = 3
	redisv1.SetDefaults(rc)
	return rc
}

// saw is an outcome of a look at a world, with what the rules decide about it.
func saw(rc *redisv1.RedisCluster, view cluster.View) outcome {
	return outcome{view: view, observed: true, decision: plan.Next(wanted(rc), view)}
}

func emptyView() cluster.View { return clustertest.New(clustertest.Settings{}).View() }

// conditionsOf are the conditions as "Ready=True Healthy: message".
func conditionsOf(s redisv1.RedisClusterStatus) []string {
	var out []string
	for _, c := range s.Conditions {
		out = append(out, fmt.Sprintf("%s=%s %s: %s", c.Type, c.Status, c.Reason, c.Message))
	}
	return out
}

const (
	healthy     = "Ready=True Healthy: 3 masters serve all slots, each with at least 1 replicas in sync"
	converged   = "Progressing=False Converged: 3 primaries with 1 replica each, all in sync"
	notDegraded = "Degraded=False Healthy: nothing is wrong"
)

func TestStatusOf(t *testing.T) {
	t.Parallel()
	waits := func(reason string) plan.Decision {
		return plan.Decision{Step: plan.Wait{}, Reason: reason, Message: "because"}
	}
	meets := plan.Decision{Step: plan.Meet{}, Reason: plan.MeetingNodes, Message: "because"}
	moves := plan.Decision{Step: plan.MoveSlots{}, Reason: plan.MovingSlots, Message: "because"}
	const tooBig = `slot 7 stays at demo-0: its key "big" takes 70.0 MiB, more than spec.migration.maxKeyBytes (64Mi) ` +
		`allows to be moved: raise that, or delete the key`
	rc := defaulted()
	whole := func() cluster.View { return clustertest.Cluster(3, 1).View() }
	for name, tc := range map[string]struct {
		rc   *redisv1.RedisCluster
		o    outcome
		want []string
	}{
		"a whole cluster is ready": {o: saw(rc, whole()), want: []string{healthy, converged, notDegraded}},
		"a cluster without pods": {
			o: saw(rc, emptyView()),
			want: []string{
				"Ready=False SlotsUncovered: 0 of 16384 slots have an owner",
				"Progressing=True CreatingPods: creating 6 pods: 6 pods are wanted",
				notDegraded,
			},
		},
		"a node that does not answer, and that others still know as an owner, is what is wrong": {
			o: outcome{
				view: clustertest.Cluster(3, 1).Hide("demo-0", true).View(), observed: true, decision: waits(plan.WaitingForNodes),
			},
			want: []string{
				"Ready=False NodesUnreachable: demo-0: dial tcp 10.0.0.3:6379: i/o timeout",
				"Progressing=True WaitingForNodes: because",
				notDegraded,
			},
		},
		"a replica that does not answer": {
			o: outcome{
				view: clustertest.Cluster(3, 1).Hide("demo-5", true).View(), observed: true, decision: waits(plan.WaitingForNodes),
			},
			want: []string{
				"Ready=False NodesUnreachable: demo-5: dial tcp 10.0.0.18:6379: i/o timeout",
				"Progressing=True WaitingForNodes: because",
				notDegraded,
			},
		},
		"a primary whose pod is gone": {
			o: outcome{
				view: clustertest.Cluster(3, 1).Kill("demo-0").View(), observed: true, decision: waits(plan.WaitingForFailover),
			},
			want: []string{
				"Ready=False SlotsUncovered: 10922 of 16384 slots have an owner",
				"Progressing=True WaitingForFailover: because",
				notDegraded,
			},
		},
		"a replica whose pod is gone": {
			o: outcome{view: clustertest.Cluster(3, 1).Kill("demo-5").View(), observed: true, decision: waits(plan.CreatingPods)},
			want: []string{
				"Ready=False ReplicasMissing: a master has 0 synced replicas of 1",
				"Progressing=True CreatingPods: because",
				notDegraded,
			},
		},
		"a replica that copies does not count": {
			o: outcome{
				view: changedMember(whole(), "demo-4", func(m *cluster.Member) { m.Info.LinkUp = false }), observed: true,
				decision: waits(plan.WaitingForSync),
			},
			want: []string{
				"Ready=False ReplicasMissing: a master has 0 synced replicas of 1",
				"Progressing=True WaitingForSync: because",
				notDegraded,
			},
		},
		"a node that finds the cluster not in order": {
			o: outcome{
				view: changedMember(whole(), "demo-4", func(m *cluster.Member) { m.Info.StateOK = false }), observed: true,
				decision: waits(plan.WaitingForClusterState),
			},
			want: []string{
				"Ready=False ClusterDown: cluster_state is not ok at demo-4",
				"Progressing=True WaitingForClusterState: because",
				notDegraded,
			},
		},
		"a pod that is not ready": {
			o: outcome{
				view: changedMember(whole(), "demo-4", func(m *cluster.Member) { m.Pod.Ready = false }), observed: true,
				decision: waits(plan.WaitingForPods),
			},
			want: []string{
				"Ready=False PodsNotReady: 5 of 6 pods are ready",
				"Progressing=True WaitingForPods: because",
				notDegraded,
			},
		},
		"slots that move": {
			o:    outcome{view: whole(), observed: true, decision: moves, moves: movement{step: true, going: true}},
			want: []string{healthy, "Progressing=True MovingSlots: because", notDegraded},
		},
		"data that has no place needs a person, and nothing is done": {
			o:    outcome{view: whole(), observed: true, decision: waits(plan.DataDoesNotFit)},
			want: []string{healthy, "Progressing=False DataDoesNotFit: because", "Degraded=True DataDoesNotFit: because"},
		},
		"slots that are half way to a node that is away need a person": {
			o:    outcome{view: whole(), observed: true, decision: waits(plan.SlotsHalfMoved)},
			want: []string{healthy, "Progressing=True SlotsHalfMoved: because", "Degraded=True SlotsHalfMoved: because"},
		},
		"a pause": {
			o:    outcome{view: whole(), observed: true, decision: waits(plan.Paused)},
			want: []string{healthy, "Progressing=False Paused: because", notDegraded},
		},
		"a key that is too big, while other slots move": {
			o: outcome{
				view: whole(), observed: true, decision: moves, moves: movement{step: true, going: true, blocked: blocked(1)},
			},
			want: []string{healthy, "Progressing=True MovingSlots: because", "Degraded=True KeyTooBig: " + tooBig},
		},
		"keys that are too big, and nothing else moves": {
			o: outcome{view: whole(), observed: true, decision: moves, moves: movement{step: true, blocked: blocked(3)}},
			want: []string{
				healthy, "Progressing=False KeyTooBig: " + tooBig + " (and 2 more slots like it)",
				"Degraded=True KeyTooBig: " + tooBig + " (and 2 more slots like it)",
			},
		},
		"a pair that fails counts for more than a key that is too big": {
			o: outcome{
				view: whole(), observed: true, decision: moves,
				moves: movement{step: true, blocked: blocked(1), trouble: errors.New("10.0.0.1:6379: OOM")},
			},
			want: []string{healthy, "Progressing=True MovingSlots: because", "Degraded=True MoveFailed: 10.0.0.1:6379: OOM"},
		},
		"an error of this very step": {
			o: outcome{
				view: whole(), observed: true, decision: moves, moves: movement{step: true},
				err: errors.Join(failed(errors.New("10.0.0.1:6379: OOM")), nil),
			},
			want: []string{healthy, "Progressing=True MovingSlots: because", "Degraded=True MoveFailed: 10.0.0.1:6379: OOM"},
		},
		"a rehearsal": {
			o: outcome{
				view: whole(), observed: true, decision: moves, rehearsal: &redisv1.PlanStatus{Steps: []string{"move"}},
			},
			want: []string{
				healthy, "Progressing=False DryRun: nothing is done: the annotation redisoperator.io/dry-run is set; " +
					"status.plan says what would be", notDegraded,
			},
		},
		"a rehearsal of what cannot be": {
			o: outcome{
				view: whole(), observed: true, decision: waits(plan.DataDoesNotFit),
				rehearsal: &redisv1.PlanStatus{Refused: "no room"},
			},
			want: []string{
				healthy, "Progressing=False DryRun: nothing is done: the annotation redisoperator.io/dry-run is set; " +
					"it would be refused: no room", "Degraded=True DataDoesNotFit: because",
			},
		},
		"a step that failed degrades, and what was seen stands": {
			o: outcome{view: whole(), observed: true, decision: meets, err: errors.New("cluster meet: it broke")},
			want: []string{
				healthy, "Progressing=True MeetingNodes: because", "Degraded=True ReconcileError: cluster meet: it broke",
			},
		},
		"a step that was refused is no trouble": {
			o:    outcome{view: whole(), observed: true, decision: meets, err: fmt.Errorf("delete pod: %w", kube.ErrStale)},
			want: []string{healthy, "Progressing=True MeetingNodes: because", notDegraded},
		},
		"gossip that has not arrived is no trouble": {
			o:    outcome{view: whole(), observed: true, decision: meets, err: fmt.Errorf("replicate: %w", redis.ErrUnknownNode)},
			want: []string{healthy, "Progressing=True MeetingNodes: because", notDegraded},
		},
		"a refusal does not hide a failure beside it": {
			o: outcome{
				view: whole(), observed: true, decision: meets,
				err: errors.Join(fmt.Errorf("replicate: %w", redis.ErrUnknownNode), errors.New("it broke")),
			},
			want: []string{
				healthy, "Progressing=True MeetingNodes: because",
				"Degraded=True ReconcileError: replicate: unknown node\nit broke",
			},
		},
		"a pod that cannot start": {
			o: outcome{
				view: changedMember(whole(), "demo-4", func(m *cluster.Member) {
					m.Pod.State, m.Pod.Trouble, m.Pod.Ready, m.Info = cluster.PodPending, "ImagePullBackOff: no", false, nil
				}),
				observed: true, decision: waits(plan.WaitingForPods),
			},
			want: []string{
				"Ready=False ReplicasMissing: a master has 0 synced replicas of 1",
				"Progressing=True WaitingForPods: because",
				"Degraded=True PodFailing: demo-4: ImagePullBackOff: no",
			},
		},
		"slots that are lost need a person": {
			o:    outcome{view: whole(), observed: true, decision: waits(plan.SlotsUncovered)},
			want: []string{healthy, "Progressing=True SlotsUncovered: because", "Degraded=True SlotsUncovered: because"},
		},
		"strangers need a person": {
			o:    outcome{view: whole(), observed: true, decision: waits(plan.ForeignNodes)},
			want: []string{healthy, "Progressing=True ForeignNodes: because", "Degraded=True ForeignNodes: because"},
		},
		"twins need a person": {
			o:    outcome{view: whole(), observed: true, decision: waits(plan.TwinNodes)},
			want: []string{healthy, "Progressing=True TwinNodes: because", "Degraded=True TwinNodes: because"},
		},
		"stray keys need a person": {
			o:    outcome{view: whole(), observed: true, decision: waits(plan.StrayKeys)},
			want: []string{healthy, "Progressing=True StrayKeys: because", "Degraded=True StrayKeys: because"},
		},
		"who could not look knows nothing": {
			o: outcome{err: errors.New("list nodes: it broke")},
			want: []string{
				"Ready=Unknown ReconcileError: list nodes: it broke",
				"Progressing=False ReconcileError: list nodes: it broke",
				"Degraded=True ReconcileError: list nodes: it broke",
			},
		},
		"a name that is taken": {
			o: outcome{err: &kube.ConflictError{Kind: "Service", Name: "demo"}},
			want: []string{
				"Ready=Unknown ReconcileError: Service demo exists and is not the operator's: rename it or the RedisCluster",
				"Progressing=False NameConflict: Service demo exists and is not the operator's: rename it or the RedisCluster",
				"Degraded=True NameConflict: Service demo exists and is not the operator's: rename it or the RedisCluster",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.rc == nil {
				tc.rc = rc
			}
			got := statusOf(tc.rc, tc.o, birth)
			if !slices.Equal(conditionsOf(got), tc.want) {
				t.Errorf("conditions:\n%s\nwant:\n%s", strings.Join(conditionsOf(got), "\n"), strings.Join(tc.want, "\n"))
			}
			for _, c := range got.Conditions {
				if c.ObservedGeneration != 3 || !c.LastTransitionTime.Time.Equal(birth) {
					t.Errorf("%s is of generation %d, since %s", c.Type, c.ObservedGeneration, c.LastTransitionTime)
				}
			}
			if got.ObservedGeneration != 3 || got.Selector != "redisoperator.io/cluster=demo" {
				t.Errorf("generation %d, selector %q", got.ObservedGeneration, got.Selector)
			}
		})
	}
}

// blocked is so many slots that stay where they are.
func blocked(n int) []redisv1.BlockedSlot {
	slots := make([]redisv1.BlockedSlot, n)
	for i := range slots {
		slots[i] = redisv1.BlockedSlot{Slot: count(7 + i), Key: keyName("big"), Bytes: 70 << 20, PodName: "demo-0"}
	}
	return slots
}

// changedMember is a view in which one member is different.
func changedMember(v cluster.View, pod string, change func(*cluster.Member)) cluster.View {
	for i := range v.Members {
		if v.Members[i].Pod.Name == pod {
			if info := v.Members[i].Info; info != nil {
				v.Members[i].Info = new(*info) // what a world has shown stays as it was
			}
			change(&v.Members[i])
		}
	}
	return v
}

func TestStatusOf_Nodes(t *testing.T) {
	t.Parallel()
	w := clustertest.Cluster(3, 1)
	got := statusOf(defaulted(), saw(defaulted(), w.View()), birth)
	counts := [...]int32{got.NumberOfMaster, got.MinReplicationFactor, got.MaxReplicationFactor, got.Pods, got.PodsReady, got.PodsWanted, got.SlotsAssigned}
	if want := [...]int32{3, 1, 1, 6, 6, 6, 16384}; counts != want {
		t.Errorf("masters, fewest and most replicas, pods, ready, wanted, slots: %v, want %v", counts, want)
	}
	if got.Replication != "1-1" || got.PodsSummary != "6/6" || !got.Bootstrapped {
		t.Errorf("replication %q, pods %q, bootstrapped %v", got.Replication, got.PodsSummary, got.Bootstrapped)
	}
	master := redisv1.NodeStatus{
		PodName: "demo-0", ID: string(w.ID("demo-0")), Role: redisv1.RoleMaster, IP: "10.0.0.3", Host: "node1", Zone: "a",
		Slots: []string{"0-5461"},
	}
	if len(got.Nodes) != 6 || !reflect.DeepEqual(got.Nodes[0], master) {
		t.Fatalf("nodes: %+v, want the first to be %+v", got.Nodes, master)
	}
	if r := got.Nodes[4]; r.Role != redisv1.RoleReplica || r.MasterRef != string(w.ID("demo-0")) || r.Slots != nil {
		t.Errorf("a replica of demo-0: %+v", r)
	}
	hidden := statusOf(defaulted(), saw(defaulted(), w.Hide("demo-1", true).View()), birth).Nodes[1]
	if want := (redisv1.NodeStatus{PodName: "demo-1", Role: redisv1.RoleNone, IP: hidden.IP, Host: "node2", Zone: "b"}); !reflect.DeepEqual(hidden, want) {
		t.Errorf("a node that was not seen: %+v, want %+v", hidden, want)
	}
}

// Bootstrapped is a one-way fact, and needs every owner to have been seen.
func TestStatusOf_Bootstrapped(t *testing.T) {
	t.Parallel()
	rc := defaulted()
	status := func(v cluster.View) redisv1.RedisClusterStatus { return statusOf(rc, saw(rc, v), birth) }
	if status(emptyView()).Bootstrapped {
		t.Error("a cluster without pods is bootstrapped")
	}
	if status(clustertest.Cluster(3, 1).Hide("demo-0", true).View()).Bootstrapped {
		t.Error("a cluster is bootstrapped by hearsay")
	}
	rc.Status = status(clustertest.Cluster(3, 1).View())
	if !rc.Status.Bootstrapped || !status(emptyView()).Bootstrapped {
		t.Error("Bootstrapped is not kept")
	}
	if s := statusOf(rc, outcome{err: errors.New("it broke")}, birth); !s.Bootstrapped || s.PodsReady != 6 || len(s.Nodes) != 6 {
		t.Errorf("who could not look forgets what was seen: %+v", s)
	}
}

func TestStatusOf_KeepsTransitionTimes(t *testing.T) {
	t.Parallel()
	rc := defaulted()
	w := clustertest.Cluster(3, 1)
	rc.Status = statusOf(rc, saw(rc, w.View()), birth)
	before := rc.Status.DeepCopy()
	later := birth.Add(time.Hour)
	if again := statusOf(rc, saw(rc, w.View()), later); !reflect.DeepEqual(again, *before) {
		t.Errorf("nothing changed but the time:\n%+v, before\n%+v", again, before)
	}
	rc.Generation = 4
	failed := statusOf(rc, saw(rc, w.Hide("demo-5", true).View()), later)
	since := map[string]time.Time{redisv1.ConditionReady: later, redisv1.ConditionProgressing: later, redisv1.ConditionDegraded: birth}
	for _, c := range failed.Conditions {
		if !c.LastTransitionTime.Time.Equal(since[c.Type]) || c.ObservedGeneration != 4 {
			t.Errorf("%s=%s of generation %d since %s, want %s", c.Type, c.Status, c.ObservedGeneration, c.LastTransitionTime, since[c.Type])
		}
	}
	if !reflect.DeepEqual(rc.Status, *before) {
		t.Error("statusOf changed the RedisCluster")
	}
}

// What moved between two looks says nothing about the cluster: a stale write does not make it unready.
func TestStatusOf_StaleLook(t *testing.T) {
	t.Parallel()
	rc := defaulted()
	rc.Status = statusOf(rc, saw(rc, clustertest.Cluster(3, 1).View()), birth)
	stale := fmt.Errorf("apply Service demo: %w", kube.ErrStale)
	got := conditionsOf(statusOf(rc, outcome{err: stale}, birth))
	want := []string{healthy, "Progressing=False ReconcileError: " + stale.Error(), notDegraded}
	if !slices.Equal(got, want) {
		t.Errorf("conditions %q, want %q", got, want)
	}
	rc.Status.Conditions = nil
	if c := meta.FindStatusCondition(statusOf(rc, outcome{err: stale}, birth).Conditions, redisv1.ConditionReady); c.Status != metav1.ConditionUnknown {
		t.Errorf("a cluster that was never seen is %+v", c)
	}
}

func TestStatusOf_Placement(t *testing.T) {
	t.Parallel()
	oneZone := []cluster.Host{{Name: "node1", Zone: "a"}, {Name: "node2", Zone: "a"}, {Name: "node3", Zone: "b"}}
	two := clustertest.ClusterIn(clustertest.Settings{Hosts: oneZone}, 3, 1).View()
	for name, tc := range map[string]struct {
		aware bool
		view  cluster.View
		want  redisv1.NodesPlacement
	}{
		"spread over zones":                     {true, clustertest.Cluster(3, 1).View(), redisv1.PlacementOptimal},
		"a zone has too many":                   {true, two, redisv1.PlacementBestEffort},
		"a spec that does not care about zones": {false, two, redisv1.PlacementOptimal},
	} {
		rc := defaulted(func(rc *redisv1.RedisCluster) { rc.Spec.Placement.ZoneAware = &tc.aware })
		got := statusOf(rc, saw(rc, tc.view), birth)
		if got.NodesPlacement != tc.want || (got.PlacementMessage == "") != (tc.want == redisv1.PlacementOptimal) {
			t.Errorf("%s: %s %q, want %s", name, got.NodesPlacement, got.PlacementMessage, tc.want)
		}
	}
}

func TestTrim(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ message, want string }{
		"a short message stays":            {"short", "short"},
		"of 1024 bytes nothing is cut":     {strings.Repeat("x", 1024), strings.Repeat("x", 1024)},
		"a long one is cut to 1024 bytes":  {strings.Repeat("x", 1025), strings.Repeat("x", 1021) + "…"},
		"no letter is cut in two":          {strings.Repeat("x", 1020) + "éé" + strings.Repeat("x", 9), strings.Repeat("x", 1020) + "…"},
		"what is not text is taken out":    {"it said \xff\xfe!", "it said \uFFFD!"},
		"and taken out of a long one, too": {"\xff" + strings.Repeat("x", 2000), "\uFFFD" + strings.Repeat("x", 1018) + "…"},
	} {
		got := trim(tc.message)
		if got != tc.want || len(got) > 1024 || !utf8.ValidString(got) {
			t.Errorf("%s: %d bytes %q", name, len(got), got)
		}
	}
}

func TestReasonOf(t *testing.T) {
	t.Parallel()
	pods := schema.GroupResource{Resource: "pods"}
	for want, errs := range map[string][]error{
		redisv1.ReasonNameConflict:   {&kube.ConflictError{Kind: "Pod", Name: "demo-0"}},
		redisv1.ReasonVolumeConflict: {fmt.Errorf("claim: %w", kube.ErrVolumeConflict)},
		redisv1.ReasonSecretNotFound: {fmt.Errorf("spec.auth.secretName: %w", kube.ErrSecretNotFound)},
		redisv1.ReasonInvalidSpec: {
			apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "demo-0", nil), apierrors.NewForbidden(pods, "demo-0", nil),
			apierrors.NewBadRequest("no"),
		},
		redisv1.ReasonReconcileError: {errors.New("it broke"), context.DeadlineExceeded, apierrors.NewTooManyRequests("slow", 1)},
	} {
		for _, err := range errs {
			if got := reasonOf(fmt.Errorf("wrapped: %w", errors.Join(err))); got != want {
				t.Errorf("%v: %s, want %s", err, got, want)
			}
		}
	}
}

func TestOutdated(t *testing.T) {
	t.Parallel()
	stale, unknown, broken := fmt.Errorf("x: %w", kube.ErrStale), fmt.Errorf("y: %w", redis.ErrUnknownNode), errors.New("it broke")
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"nothing":                      {nil, false},
		"a refused write":              {stale, true},
		"gossip that is on its way":    {unknown, true},
		"both":                         {errors.Join(stale, errors.Join(unknown)), true},
		"a fault":                      {broken, false},
		"a fault beside a refusal":     {errors.Join(stale, broken), false},
		"a fault among many refusals":  {errors.Join(errors.Join(stale, errors.Join(unknown, broken)), stale), false},
		"a refusal with what it means": {fmt.Errorf("delete pod: %w: %w", kube.ErrStale, broken), true},
	} {
		if got := outdated(tc.err); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
