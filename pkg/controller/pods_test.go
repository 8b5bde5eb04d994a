package controller

import (
	"reflect"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// podWith is a pod whose container redis has this status, beside a sidecar that runs.
func podWith(phase corev1.PodPhase, redis corev1.ContainerStatus, edits ...func(*corev1.Pod)) *corev1.Pod {
	redis.Name = redisv1.ContainerRedis
	pod := &corev1.Pod{Status: corev1.PodStatus{
		Phase: phase,
		InitContainerStatuses: []corev1.ContainerStatus{
			{Name: "redisnode", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
		},
		ContainerStatuses: []corev1.ContainerStatus{
			{Name: "exporter", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}, redis,
		},
	}}
	for _, change := range edits {
		change(pod)
	}
	return pod
}

var (
	isRunning    = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	isTerminated = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}
)

func isWaiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func beingDeleted(pod *corev1.Pod) { pod.DeletionTimestamp = &metav1.Time{Time: birth} }

func TestStateOf(t *testing.T) {
	t.Parallel()
	crashes := corev1.ContainerStatus{
		State: isWaiting("CrashLoopBackOff", "back-off"), RestartCount: 3, LastTerminationState: isTerminated,
	}
	for name, tc := range map[string]struct {
		pod     *corev1.Pod
		state   cluster.PodState
		started bool
		running bool
	}{
		"a pod of which nothing is known": {&corev1.Pod{}, cluster.PodPending, false, false},
		"redis waits for its turn": {
			podWith(corev1.PodPending, corev1.ContainerStatus{State: isWaiting("PodInitializing", "")}), cluster.PodPending, false, false,
		},
		"only the other containers run": {podWith(corev1.PodRunning, corev1.ContainerStatus{}), cluster.PodPending, false, false},
		"redis runs":                    {podWith(corev1.PodRunning, corev1.ContainerStatus{State: isRunning}), cluster.PodRunning, true, true},
		"redis has ended": {
			podWith(corev1.PodRunning, corev1.ContainerStatus{State: isTerminated}), cluster.PodRunning, true, false,
		},
		"redis crashes again and again": {podWith(corev1.PodRunning, crashes), cluster.PodRunning, true, false},
		"redis was restarted, and its last end is not known": {
			podWith(corev1.PodRunning, corev1.ContainerStatus{State: isWaiting("ContainerCreating", ""), RestartCount: 1}),
			cluster.PodRunning, true, false,
		},
		"a pod that stops while redis runs": {
			podWith(corev1.PodRunning, corev1.ContainerStatus{State: isRunning}, beingDeleted), cluster.PodTerminating, true, true,
		},
		"a pod that stops and never started": {
			podWith(corev1.PodPending, corev1.ContainerStatus{}, beingDeleted), cluster.PodTerminating, false, false,
		},
		"an evicted pod": {
			podWith(corev1.PodFailed, corev1.ContainerStatus{State: isTerminated}), cluster.PodEnded, true, false,
		},
		"a pod that succeeded": {
			podWith(corev1.PodSucceeded, corev1.ContainerStatus{State: isTerminated}), cluster.PodEnded, true, false,
		},
		"a pod that failed and is being deleted": {
			podWith(corev1.PodFailed, corev1.ContainerStatus{}, beingDeleted), cluster.PodTerminating, false, false,
		},
	} {
		if got := stateOf(tc.pod); got != tc.state {
			t.Errorf("%s: state %v, want %v", name, got, tc.state)
		}
		if got := everStarted(tc.pod); got != tc.started {
			t.Errorf("%s: has it ever started? %v", name, got)
		}
		if got := running(tc.pod); got != tc.running {
			t.Errorf("%s: does it run? %v", name, got)
		}
	}
}

func TestTroubleOf(t *testing.T) {
	t.Parallel()
	unschedulable := func(pod *corev1.Pod) {
		pod.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/3 nodes are available",
		}}
	}
	ended := func(code int32, message string) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Message: message}}
	}
	for name, tc := range map[string]struct {
		pod  *corev1.Pod
		want string
	}{
		"a pod that is new":           {&corev1.Pod{}, ""},
		"a pod that runs":             {podWith(corev1.PodRunning, corev1.ContainerStatus{State: isRunning}), ""},
		"a pod on its way":            {podWith(corev1.PodPending, corev1.ContainerStatus{State: isWaiting("PodInitializing", "")}), ""},
		"a container that is created": {podWith(corev1.PodPending, corev1.ContainerStatus{State: isWaiting("ContainerCreating", "")}), ""},
		"a pod that fits nowhere":     {podWith(corev1.PodPending, corev1.ContainerStatus{}, unschedulable), "Unschedulable: 0/3 nodes are available"},
		"an image that cannot be pulled": {
			podWith(corev1.PodPending, corev1.ContainerStatus{State: isWaiting("ImagePullBackOff", `Back-off pulling image "redis:nope"`)}),
			`container redis: ImagePullBackOff: Back-off pulling image "redis:nope"`,
		},
		"an init container that cannot start": {
			podWith(corev1.PodPending, corev1.ContainerStatus{State: isWaiting("PodInitializing", "")}, func(pod *corev1.Pod) {
				pod.Status.InitContainerStatuses[0].State = isWaiting("CreateContainerConfigError", `secret "x" not found`)
			}),
			`container redisnode: CreateContainerConfigError: secret "x" not found`,
		},
		"FAULT 36: a directive that the server refuses, in the server's own words": {
			podWith(corev1.PodRunning, corev1.ContainerStatus{
				State: isWaiting("CrashLoopBackOff", "back-off 20s"),
				LastTerminationState: ended(1, "1:M 01 Jan start\n\n*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\n"+
					"Reading the configuration file, at line 42\n>>> 'maxmemory 1gx'\nargument must be a memory value\n"),
			}),
			"container redis: CrashLoopBackOff: back-off 20s (it ended with exit code 1: *** FATAL CONFIG FILE ERROR (Redis 7.0.15) *** | " +
				"Reading the configuration file, at line 42 | >>> 'maxmemory 1gx' | argument must be a memory value)",
		},
		"a crash without a word": {
			podWith(corev1.PodRunning, corev1.ContainerStatus{
				State: isWaiting("CrashLoopBackOff", "back-off 20s"), LastTerminationState: ended(137, ""),
			}),
			"container redis: CrashLoopBackOff: back-off 20s (it ended with exit code 137: )",
		},
	} {
		if got := troubleOf(tc.pod); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	taint := func(effect corev1.TaintEffect) func(*corev1.Node) {
		return func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "x", Effect: effect}} }
	}
	for name, change := range map[string]func(*corev1.Node){
		"node0":    func(n *corev1.Node) { n.Labels = nil },
		"cordoned": func(n *corev1.Node) { n.Spec.Unschedulable = true },
		"off": func(n *corev1.Node) {
			n.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeOutOfService, Effect: corev1.TaintEffectNoExecute}}
		},
		"gone":     taint(corev1.TaintEffectNoExecute),
		"reserved": taint(corev1.TaintEffectNoSchedule),
		"softly":   taint(corev1.TaintEffectPreferNoSchedule),
		"silent": func(n *corev1.Node) {
			n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionUnknown}}
		},
		"troubled": func(n *corev1.Node) {
			n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionFalse}}
		},
	} {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelTopologyZone: "z"}}}
		change(n)
		add(f.api, n)
	}
	f.caches.fill(f.api)
	got, err := f.c.hosts()
	if err != nil {
		t.Fatal(err)
	}
	want := hosts{
		"node0":    {usable: true},
		"node1":    {zone: "a", usable: true},
		"node2":    {zone: "b", usable: true},
		"node3":    {zone: "c", usable: true},
		"cordoned": {zone: "z", shut: "cordoned"},
		"gone":     {zone: "z"},
		"reserved": {zone: "z"},
		"softly":   {zone: "z", usable: true},
		"silent":   {zone: "z", usable: true, silent: true, shut: "not ready"},
		"troubled": {zone: "z", usable: true, shut: "not ready"}, // it says what is wrong with it: it is there
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("hosts %+v, want %+v", got, want)
	}
	var usable []string
	for _, h := range got.usable() {
		usable = append(usable, h.Name+h.Zone)
	}
	if want := []string{"node0", "node1a", "node2b", "node3c", "silentz", "softlyz", "troubledz"}; !slices.Equal(usable, want) {
		t.Errorf("pods can be scheduled on %q, want %q", usable, want)
	}
}

func TestClaimTrouble(t *testing.T) {
	t.Parallel()
	pending := podWith(corev1.PodPending, corev1.ContainerStatus{}, func(pod *corev1.Pod) {
		pod.Labels = map[string]string{redisv1.LabelOrdinal: "2"}
		pod.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "unbound claims",
		}}
	})
	claim := func(change func(*corev1.PersistentVolumeClaim)) *corev1.PersistentVolumeClaim {
		c := &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "shop", Name: "data-demo-2", Labels: map[string]string{redisv1.LabelManagedBy: redisv1.ManagedBy},
			},
			Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending},
		}
		change(c)
		return c
	}
	class := func(name string) *corev1.PersistentVolumeClaim {
		return claim(func(c *corev1.PersistentVolumeClaim) { c.Spec.StorageClassName = &name })
	}
	for name, tc := range map[string]struct {
		storage func(*redisv1.RedisCluster)
		claim   *corev1.PersistentVolumeClaim
		pod     *corev1.Pod
		want    string
	}{
		"a claim of an unknown class":  {persistent, class("fast"), pending, " (volume claim data-demo-2 of class fast is not bound)"},
		"a claim of the default class": {persistent, claim(func(*corev1.PersistentVolumeClaim) {}), pending, " (volume claim data-demo-2 of the default class is not bound)"},
		"a claim that is bound":        {persistent, claim(func(c *corev1.PersistentVolumeClaim) { c.Status.Phase = corev1.ClaimBound }), pending, ""},
		"a claim that is not there":    {persistent, nil, pending, ""},
		"storage that needs no claim":  {func(*redisv1.RedisCluster) {}, class("fast"), pending, ""},
		"a pod that nothing keeps":     {persistent, class("fast"), podWith(corev1.PodPending, corev1.ContainerStatus{}), ""},
	} {
		f := newFixture(t, demo(tc.storage))
		if tc.claim != nil {
			add(f.api, tc.claim)
			if tc.claim.Status.Phase != "" {
				f.caches.fill(f.api)
			}
		}
		if got := claimTrouble(tc.pod, f.c.claimOf(defaulted(tc.storage), 2)); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestOrdinalOf(t *testing.T) {
	t.Parallel()
	for label, want := range map[string]int{"0": 0, "17": 17, "": -1, "x": -1} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{redisv1.LabelOrdinal: label}}}
		if got := ordinalOf(pod); got != want {
			t.Errorf("%q: %d, want %d", label, got, want)
		}
	}
	for name, want := range map[string]int{"demo-12": 12, "demo-x": -1, "demo": -1, "": -1} {
		if got := ordinalOf(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}}); got != want {
			t.Errorf("%q without labels: %d, want %d", name, got, want)
		}
	}
}
