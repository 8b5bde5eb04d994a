package controller

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/redisoperator/redis-operator/pkg/agent"
	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/kube"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

// Safety rule S8: idle means idle. Within the time that Secrets are believed, a look costs no request at all.
func TestConvergedWritesNothing(t *testing.T) {
	t.Parallel()
	for name, storage := range map[string]func(*redisv1.RedisCluster){
		"ephemeral": func(*redisv1.RedisCluster) {}, "persistent": persistent,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, demo(storage))
			f.converge("shop")
			for range 2 { // the second time right after a restart
				f.look20()
				if writes, events := f.life.take(), f.story.take(); len(writes)+len(events) > 0 && f.lives > 1 {
					t.Fatalf("writes %q, events %q", writes, events)
				}
				f.api.requests()
				f.look20()
				if asked, events := f.api.requests(), f.story.take(); len(asked)+len(events) > 0 {
					t.Fatalf("an idle cluster costs requests %q, events %q", asked, events)
				}
				f.start()
			}
			f.clock.(*clocktesting.FakeClock).Step(secretsTTL)
			f.look20()
			asked := f.api.requests()
			want := []string{
				"get secrets demo-agent-ca", "get secrets demo-agent-tls", "get secrets demo-auth", "get secrets demo-internal",
			}
			if slices.Sort(asked); !slices.Equal(asked, want) {
				t.Errorf("after the time that Secrets are believed: %q, want %q", asked, want)
			}
		})
	}
}

// look20 looks twenty times.
func (f *fixture) look20() {
	f.t.Helper()
	for range 20 {
		if err := f.lookFresh("shop"); err != nil {
			f.t.Fatal(err)
		}
		f.pass()
	}
}

// A creation is told by its steps, and by its end; nothing of it is told twice.
func TestEventsOfACreation(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	events := f.story.take()
	pods := slices.DeleteFunc(slices.Clone(events), func(e string) bool { return !strings.Contains(e, "PodCreated") })
	steps := slices.DeleteFunc(events, func(e string) bool { return strings.Contains(e, "PodCreated") })
	if len(pods) != 6 || len(slices.Compact(slices.Sorted(slices.Values(pods)))) != 6 {
		t.Errorf("pods: %q", pods)
	}
	want := []string{
		"Normal CreatingPods ", "Normal AddingSlots ", "Normal MeetingNodes ", "Normal AttachingReplicas ",
		"Normal Healthy ", "Normal Converged ",
	}
	if !slices.EqualFunc(steps, want, func(got, want string) bool { return strings.HasPrefix(got, "shop "+want) }) {
		t.Errorf("events %q, want %q", steps, want)
	}
}

// A step that fails is tried again and again; that is told once.
func TestEventsOfAStepThatFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	foreign := add(f.api, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "demo-3"}})
	for range 10 {
		if err := f.lookFresh("shop"); !errors.Is(err, kube.ErrNameConflict) {
			t.Fatalf("a name is taken: %v", err)
		}
		f.pass()
	}
	told := slices.DeleteFunc(f.story.take(), func(e string) bool { return strings.Contains(e, " PodCreated ") })
	if want := []string{
		"shop Warning NameConflict Pod demo-3 exists and is not the operator's: rename it or the RedisCluster",
	}; !slices.Equal(told, want) {
		t.Errorf("events %q, want %q", told, want)
	}
	drop[*corev1.Pod](f.api, "shop", foreign.Name)
	f.converge("shop")
	f.whole(6)
}

// FAULTS 14 and 15: a cache that shows what was deletes nothing that is.
func TestFault14_StaleCacheDeletesNothing(t *testing.T) {
	t.Parallel()
	evict := func(p *corev1.Pod) { p.Status.Phase, p.Status.Reason = corev1.PodFailed, "Evicted" }
	for name, tc := range map[string]struct {
		seen  func(*fixture) // what the cache shows
		since func(*fixture) // what is the case
	}{
		"an evicted pod that was made again meanwhile": {
			seen: func(f *fixture) { edit(f.api, "shop", "demo-2", evict) },
			since: func(f *fixture) {
				pod := mustFind[*corev1.Pod](f.t, f.api, "shop", "demo-2")
				drop[*corev1.Pod](f.api, "shop", "demo-2")
				add(f.api, pod)
			},
		},
		"a pod of an older spec that has started meanwhile": {
			seen: func(f *fixture) {
				edit(f.api, "shop", "demo-2", func(p *corev1.Pod) {
					p.Status.ContainerStatuses[0].State = isWaiting("ImagePullBackOff", "no")
				})
				edit(f.api, "shop", "demo", func(rc *redisv1.RedisCluster) {
					rc.Generation++
					rc.Spec.PodTemplate.Spec.Containers[0].Image = "redis:7.2"
				})
			},
			since: func(f *fixture) {
				edit(f.api, "shop", "demo-2", func(p *corev1.Pod) { p.Status.ContainerStatuses[0].State = isRunning })
			},
		},
		"a pod that somebody else has taken over": {
			seen: func(f *fixture) { edit(f.api, "shop", "demo-2", evict) },
			since: func(f *fixture) {
				edit(f.api, "shop", "demo-2", func(p *corev1.Pod) { p.OwnerReferences[0].UID = "somebody" })
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, demo())
			f.converge("shop")
			tc.seen(f)
			f.caches.fill(f.api)
			tc.since(f)
			uid := mustFind[*corev1.Pod](t, f.api, "shop", "demo-2").UID
			f.life.take()
			for range 5 {
				if _, err := f.look("shop"); err == nil {
					t.Error("a step on what is past was not refused")
				}
			}
			for _, w := range f.life.take() {
				history := strings.HasPrefix(w, "api create controllerrevisions")
				if !strings.HasPrefix(w, "api update redisclusters/status") && !history {
					t.Errorf("it wrote %q", w)
				}
			}
			if pod := mustFind[*corev1.Pod](t, f.api, "shop", "demo-2"); pod.UID != uid || pod.DeletionTimestamp != nil {
				t.Errorf("the pod was deleted: %+v", pod.ObjectMeta)
			}
		})
	}
}

// Every cache is behind, each by its own time, and the cluster comes to be all the same: six pods, none deleted.
func TestCreationWithStaleCaches(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo(persistent))
	for i := range 300 {
		for j, r := range resources {
			if (i+j)%(2+j%4) == 0 {
				f.caches.fill(f.api, r.gvr.Resource)
			}
		}
		if _, err := f.look("shop"); err != nil && !outdated(err) {
			t.Fatalf("look %d: %v", i, err)
		}
		f.pass()
		if f.isReady("shop") {
			break
		}
	}
	f.refusals = nil // what is decided on the past may be refused
	f.converge("shop")
	f.whole(6)
	if writes := f.life.take(); slices.ContainsFunc(writes, func(w string) bool { return strings.HasPrefix(w, "api delete") }) {
		t.Errorf("something was deleted: %q", writes)
	}
}

// A password that the user names and that is not there is said, and heals.
func TestAuthSecretIsMissing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo(func(rc *redisv1.RedisCluster) { rc.Spec.Auth.SecretName = "mine" }))
	wants := func(message string) {
		t.Helper()
		if err := f.lookFresh("shop"); !errors.Is(err, kube.ErrSecretNotFound) {
			t.Fatalf("a look: %v", err)
		}
		c := f.condition("shop", redisv1.ConditionDegraded)
		if c.Reason != redisv1.ReasonSecretNotFound || c.Message != message {
			t.Errorf("condition %+v", c)
		}
		if pods := all[*corev1.Pod](f.api); len(pods) > 0 {
			t.Errorf("%d pods were made that can never start", len(pods))
		}
	}
	wants("spec.auth.secretName: secret not found: mine")
	add(f.api, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "mine"}})
	wants(`spec.auth.secretName: secret not found: mine has no key "password"`)
	edit(f.api, "shop", "mine", func(s *corev1.Secret) { s.Data = map[string][]byte{"password": []byte("x")} })
	f.converge("shop")
	f.whole(6)
	if _, made := find[*corev1.Secret](f.api, "shop", "demo-auth"); made {
		t.Error("a password was made that nobody uses")
	}
}

// A RedisCluster that has changed since it was looked at gets no status of the past, and that is no error.
func TestStatusConflictLooksAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	edit(f.api, "shop", "demo", func(rc *redisv1.RedisCluster) { rc.Labels = map[string]string{"a": "b"} })
	if _, err := f.look("shop"); !outdated(err) {
		t.Fatalf("a look at the past: %v", err)
	}
	if s := f.cluster("shop").Status; s.Conditions != nil {
		t.Errorf("status %+v", s)
	}
	if f.converge("shop"); f.cluster("shop").Labels["a"] != "b" {
		t.Error("the label is gone")
	}
}

// A cluster that is gone, or going, is left to Kubernetes.
func TestDeletedClusterIsLeftAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	edit(f.api, "shop", "demo", func(rc *redisv1.RedisCluster) { rc.DeletionTimestamp = &metav1.Time{Time: birth} })
	drop[*corev1.Pod](f.api, "shop", "demo-1")
	f.life.take()
	f.api.requests()
	for range 5 {
		if err := f.lookFresh("shop"); err != nil {
			t.Fatal(err)
		}
		f.pass()
	}
	edit(f.api, "shop", "demo", func(rc *redisv1.RedisCluster) { rc.DeletionTimestamp = nil })
	drop[*redisv1.RedisCluster](f.api, "shop", "demo")
	if err := f.lookFresh("shop"); err != nil {
		t.Fatal(err)
	}
	if asked := f.api.requests(); len(asked) > 0 {
		t.Errorf("it asked %q", asked)
	}
	if n := len(f.c.agents.clients); n != 0 {
		t.Errorf("%d connections to its agents are kept", n)
	}
}

// A cluster outside of the namespaces that are watched is no business of this operator.
func TestStoresByNamespace(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo(), demo(in("other")))
	only := f.caches.stores()
	only.Namespace = "shop"
	f.c = New(f.config([]Stores{only}, f.caches.nodeLister()))
	f.converge("shop")
	f.life.take()
	if _, err := f.look("other"); err == nil || err.Error() != "namespace other is not watched" {
		t.Errorf("a look beyond: %v", err)
	}
	if writes := f.life.take(); len(writes) > 0 {
		t.Errorf("it wrote %q", writes)
	}
}

// After two thirds of its life the agents' certificate is replaced, once; the authority stays, and no pod is touched.
func TestCertificateIsRenewed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	ca := mustFind[*corev1.Secret](t, f.api, "shop", "demo-agent-ca")
	tls := mustFind[*corev1.Secret](t, f.api, "shop", "demo-agent-tls")
	f.life.take()
	now := f.clock.(*clocktesting.FakeClock)
	now.Step(59 * 24 * time.Hour)
	f.look20()
	if writes := f.life.take(); len(writes) > 0 {
		t.Errorf("after 59 days: %q", writes)
	}
	now.Step(2 * 24 * time.Hour)
	f.look20()
	if writes := f.life.take(); !slices.Equal(writes, []string{"api update secrets demo-agent-tls"}) {
		t.Errorf("after 61 days: %q", writes)
	}
	if after := mustFind[*corev1.Secret](t, f.api, "shop", "demo-agent-ca"); !equality.Semantic.DeepEqual(ca, after) {
		t.Error("the authority was changed")
	}
	after := mustFind[*corev1.Secret](t, f.api, "shop", "demo-agent-tls")
	if slices.Equal(after.Data[corev1.TLSCertKey], tls.Data[corev1.TLSCertKey]) || agent.NeedsRenewal(after.Data[corev1.TLSCertKey], now.Now()) {
		t.Error("the certificate is the old one")
	}
	if !slices.Equal(after.Data[objects.KeyCACert], ca.Data[objects.KeyCACert]) {
		t.Error("the certificate is of another authority")
	}
}

// Safety rule S9: what is in Secrets is nowhere else, not even while things go wrong.
func TestNoSecretIsTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo(persistent))
	var errs []error
	f.answers["demo-4"] = func(agent.Status) (agent.Status, error) { return agent.Status{}, errors.New("no answer") }
	for range 15 {
		errs = append(errs, f.lookFresh("shop"))
		f.pass()
	}
	delete(f.answers, "demo-4")
	f.converge("shop")
	p := f.places[0]
	p.started["demo-5"] = started{uid: p.started["demo-5"].uid, password: "changed by hand", caCert: p.started["demo-5"].caCert}
	for range 5 {
		errs = append(errs, f.lookFresh("shop"))
		f.pass()
	}
	if c := f.condition("shop", redisv1.ConditionReady); c.Reason != redisv1.ReasonNodesUnreachable {
		t.Errorf("a node that does not let the operator in: %+v", c)
	}
	told := fmt.Sprint(f.story.take(), errors.Join(errs...), f.life.take(), f.api.requests())
	for _, r := range resources {
		if r.gvr.Resource != "secrets" {
			list, err := f.api.tracker.List(r.gvr, r.gvk, metav1.NamespaceAll)
			if err != nil {
				t.Fatal(err)
			}
			told += jsonOf(list)
		}
	}
	checked := 0
	for _, secret := range all[*corev1.Secret](f.api) {
		for key, value := range secret.Data {
			if key == objects.KeyCACert || key == corev1.TLSCertKey {
				continue // public
			}
			checked++
			if line := strings.Split(string(value), "\n"); strings.Contains(told, line[len(line)/2]) {
				t.Errorf("%s of Secret %s is told somewhere", key, secret.Name)
			}
		}
	}
	if checked != 7 {
		t.Errorf("%d values were looked for, want 7", checked)
	}
}

func TestWanted(t *testing.T) {
	t.Parallel()
	rc := defaulted(func(rc *redisv1.RedisCluster) {
		rc.Spec.NumberOfMaster, rc.Spec.ReplicationFactor = new(int32(5)), new(int32(2))
		rc.Spec.Placement.ZoneAware, rc.Status.Bootstrapped = new(false), true
	})
	if got, want := wanted(rc), (plan.Wanted{
		Primaries: 5, Replicas: 2, Bootstrapped: true, Failback: true, NodeTimeout: 15 * time.Second, Object: "-n shop rdc/demo",
	}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	rc.Spec.Recovery.Quorum, rc.Spec.Placement.Failback = redisv1.QuorumManual, new(false)
	rc.Spec.Config = redisv1.Config{"cluster-node-timeout": "7000"}
	rc.Spec.Paused, rc.Spec.Migration.Engine, rc.Status.Migration = true, redisv1.EngineSlotsOnly, &redisv1.MigrationStatus{}
	if got, want := wanted(rc), (plan.Wanted{
		Primaries: 5, Replicas: 2, Bootstrapped: true, Paused: true, Overfill: true, Moving: true,
		AskQuorum: true, NodeTimeout: 7 * time.Second, Object: "-n shop rdc/demo",
	}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
