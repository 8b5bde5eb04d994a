package controller

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	clocktesting "k8s.io/utils/clock/testing"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

type config = map[string]redisv1.ConfigValue

// respec changes spec.config, as kubectl apply does.
func (f *fixture) respec(c config) {
	f.t.Helper()
	edit(f.api, "shop", "demo", func(rc *redisv1.RedisCluster) {
		rc.Spec.Config = c
		rc.Generation++
	})
}

// settingsOf is what every pod runs with.
func (f *fixture) settingsOf() map[string]map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[string]map[string]string{}
	for pod, s := range f.places[0].started {
		all[pod] = maps.Clone(s.server.live)
	}
	return all
}

// A directive is set at all nodes in one step, is in what they start with, and goes back to what the server has by itself
// when it is taken out: after A, B and A everything is as it was.
func TestSettings_ThereAndBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	before, written := f.settingsOf(), f.written()
	f.story.take()
	f.respec(config{"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru", "save": "900 1"})
	if err := f.lookFresh("shop"); err != nil {
		t.Fatal(err)
	}
	f.everywhere("maxmemory", "104857600")
	f.everywhere("maxmemory-policy", "allkeys-lru")
	f.everywhere("save", "900 1")
	if !strings.Contains(f.written(), "\nmaxmemory-policy allkeys-lru\n") {
		t.Errorf("nodes start with\n%s", f.written())
	}
	want := "shop Normal ApplyingSettings setting maxmemory, maxmemory-policy and save at demo-0, demo-1, demo-2, demo-3 and 2 more"
	if events := f.story.take(); !slices.Contains(events, want) {
		t.Errorf("events %q", events)
	}
	f.converge("shop")
	f.respec(nil)
	f.converge("shop")
	if after := f.settingsOf(); !slices.EqualFunc(slices.Sorted(maps.Keys(after)), slices.Sorted(maps.Keys(before)),
		func(a, b string) bool { return a == b && maps.Equal(after[a], before[b]) }) || f.written() != written {
		t.Errorf("after: %v\nbefore: %v", after, before)
	}
}

// FAULT 36: what the first node refuses is asked of nobody else, is not written, and is quoted; nothing restarts, and
// correcting the spec heals.
func TestFault36_RefusedSetting(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		config  config
		message string
	}{
		"a typo": {
			config{"hz": "20", "maxmemory": "1gx"}, `spec.config[maxmemory]: demo-0 refuses "1gx": ERR CONFIG SET failed ` +
				`(possibly related to argument 'maxmemory') - argument must be a memory value`,
		},
		"an unknown directive": {
			config{"hz": "20", "maxmemry": "1gb"}, `spec.config[maxmemry]: demo-0 refuses "1gb": ERR Unknown option or number of ` +
				`arguments for CONFIG SET - 'maxmemry'`,
		},
		"beside one that needs a restart": {
			config{"databases": "32", "maxmemory": "1gx"}, `spec.config[maxmemory]: demo-0 refuses "1gx": ERR CONFIG SET failed ` +
				`(possibly related to argument 'maxmemory') - argument must be a memory value`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, demo())
			f.converge("shop")
			before, written := f.settingsOf(), f.written()
			f.respec(tc.config)
			for range 30 {
				_ = f.lookFresh("shop")
				f.pass()
				if c := f.condition("shop", redisv1.ConditionDegraded); c.Reason != redisv1.ReasonSettingRefused || c.Message != tc.message {
					t.Fatalf("Degraded is %s: %s", c.Reason, c.Message)
				}
			}
			if f.written() != written {
				t.Errorf("nodes would start with\n%s", f.written())
			}
			f.same(before)
			f.life.take()
			f.look20()
			if writes := f.life.take(); len(writes) > 0 {
				t.Errorf("while it waits for a person it writes %q", writes)
			}
			f.start() // another operator asks once more, and says the same
			_ = f.lookFresh("shop")
			f.same(before)
			f.respec(nil)
			f.converge("shop")
			f.same(before)
			if c := f.condition("shop", redisv1.ConditionDegraded); c.Reason != redisv1.ReasonHealthy {
				t.Errorf("Degraded is %s: %s", c.Reason, c.Message)
			}
		})
	}
}

// same says that all pods run with what they ran with.
func (f *fixture) same(before map[string]map[string]string) {
	f.t.Helper()
	for pod, live := range f.settingsOf() {
		if !maps.Equal(live, before[pod]) {
			f.t.Errorf("%s runs with %v, and ran with %v", pod, live, before[pod])
		}
	}
}

// When another node than the first refuses, those that have taken it get back what they had.
func TestSettings_PutBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	before, written := f.settingsOf(), f.written()
	delete(f.places[0].started["demo-3"].server.live, "timeout") // an older version
	f.respec(config{"timeout": "60"})
	_ = f.lookFresh("shop")
	delete(before["demo-3"], "timeout")
	f.same(before)
	if c := f.condition("shop", redisv1.ConditionDegraded); !strings.HasPrefix(c.Message, `spec.config[timeout]: demo-3 refuses "60"`) {
		t.Errorf("Degraded is %s: %s", c.Reason, c.Message)
	}
	if f.written() != written {
		t.Errorf("nodes would start with\n%s", f.written())
	}
}

// What a server takes only at its start is written, and pods are replaced one by one until all run with it; what it takes
// now is set. There and back, and nothing is replaced for it twice.
func TestSettings_OnlyAtTheStart(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	before := f.uids()
	f.respec(config{"databases": "32", "hz": "20"})
	if err := f.lookFresh("shop"); err != nil {
		t.Fatal(err)
	}
	f.everywhere("hz", "20")
	f.everywhere("databases", "16")
	if !strings.Contains(f.written(), "\ndatabases 32\n") {
		t.Errorf("nodes start with\n%s", f.written())
	}
	f.converge("shop")
	f.everywhere("databases", "32")
	if events := strings.Join(f.story.take(), "\n"); !strings.Contains(events, "by a pod that starts with another databases (") {
		t.Errorf("events\n%s", events)
	}
	after := f.uids()
	for pod, uid := range after {
		if before[pod] == uid {
			t.Errorf("%s was not replaced", pod)
		}
	}
	f.look20()
	if again := f.uids(); !maps.Equal(again, after) {
		t.Errorf("pods are replaced again: %v, after %v", again, after)
	}
	f.respec(nil)
	f.converge("shop")
	f.everywhere("databases", "16")
	f.everywhere("hz", "10")
}

// A setting that somebody changes by hand is put right within seconds, and a converged cluster is only asked from time to
// time.
func TestSettings_ByHand(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	f.look20()
	asked := f.comparisons
	f.look20()
	if n := f.comparisons - asked; n > 3*6 {
		t.Errorf("twenty looks in twenty seconds ask %d times", n)
	}
	f.mu.Lock()
	f.places[0].started["demo-4"].server.live["maxmemory-policy"] = "allkeys-random"
	f.mu.Unlock()
	f.look20()
	f.everywhere("maxmemory-policy", "noeviction")
}

// What a server makes of a value that it takes is what the value means: it is not asked for again and again.
func TestSettings_ServersOwnWords(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	f.respec(config{"hz": "1000"})
	f.look20()
	f.everywhere("hz", "500")
	f.life.take()
	f.look20()
	if writes := f.life.take(); len(writes) > 0 {
		t.Errorf("it writes %q", writes)
	}
}

// A node that does not answer keeps nobody else from being set, nor anything else from being done.
func TestSettings_SilentNode(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	f.unwilling = map[string]error{"demo-2": errors.New("i/o timeout")}
	f.respec(config{"hz": "20"})
	if err := f.lookFresh("shop"); err == nil {
		t.Error("nothing is said of the node")
	}
	if live := f.runsWith("hz"); live["demo-0"] != "20" || live["demo-5"] != "20" || live["demo-2"] != "10" {
		t.Errorf("nodes run with %v", live)
	}
	if !strings.Contains(f.written(), "\nhz 20\n") {
		t.Errorf("nodes start with\n%s", f.written())
	}
	f.pass()
	if err := f.lookFresh("shop"); err != nil {
		t.Errorf("the look after it: %v", err)
	}
	if c := f.condition("shop", redisv1.ConditionProgressing); c.Reason != plan.Converged {
		t.Errorf("Progressing is %s: %s", c.Reason, c.Message)
	}
	f.unwilling = nil
	f.clock.(*clocktesting.FakeClock).Step(rest)
	f.look20()
	f.everywhere("hz", "20")
}

// The file is not changed under nodes that run before they have taken what is in it; while none runs it is changed at
// once, since they cannot start otherwise.
func TestSettings_NobodyRuns(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	f.places[0].world.Restart(f.places[0].world.Pods()...)
	for _, pod := range f.pods("shop") {
		edit(f.api, "shop", pod.Name, func(pod *corev1.Pod) {
			pod.Status.ContainerStatuses[0].State = isWaiting("CrashLoopBackOff", "back-off")
		})
	}
	f.respec(config{"hz": "20"})
	_ = f.lookFresh("shop")
	if want := objects.NewConfigMap(f.cluster("shop")).Data[objects.KeyRedisConf]; f.written() != want {
		t.Errorf("nodes start with\n%s", f.written())
	}
}

// A directive that is taken out stays where nobody knows what the server has by itself: that is said until the node has
// something else.
func TestSettings_Kept(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	f.respec(config{"hz": "20", "timeout": "7"})
	f.converge("shop")
	f.noDefaults = map[string]bool{"demo-2": true}
	f.start()
	f.respec(config{"timeout": "7"})
	f.look20()
	if live := f.runsWith("hz"); live["demo-2"] != "20" || live["demo-0"] != "10" {
		t.Errorf("nodes run with hz %v", live)
	}
	const want = "demo-2 keeps hz: taken out of the spec, and what the server has by itself is not known. " +
		"It goes when the pod is replaced"
	if c := f.condition("shop", redisv1.ConditionDegraded); c.Reason != redisv1.ReasonSettingKept || c.Message != want {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	f.respec(config{"timeout": "7", "hz": "10"})
	f.look20()
	f.everywhere("hz", "10")
	if c := f.condition("shop", redisv1.ConditionDegraded); c.Reason != redisv1.ReasonHealthy {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
}
