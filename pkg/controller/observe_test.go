package controller

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/redisoperator/redis-operator/pkg/agent"
	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/objects"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// Volumes without a pod are seen, so that the rules may bring back what is on them.
func TestVolumesOf(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo(persistent))
	rc := defaulted(persistent, func(rc *redisv1.RedisCluster) { rc.UID = f.cluster("shop").UID })
	for _, ordinal := range []int{12, 2, 7} {
		add(f.api, objects.NewClaim(rc, ordinal))
	}
	for i, change := range []func(*corev1.PersistentVolumeClaim){
		func(c *corev1.PersistentVolumeClaim) { c.Labels[redisv1.LabelClusterUID] = "former" },
		func(c *corev1.PersistentVolumeClaim) { c.DeletionTimestamp = &metav1.Time{Time: birth} },
		func(c *corev1.PersistentVolumeClaim) { c.Labels[redisv1.LabelOrdinal] = "3" }, // a copy under another name
	} {
		claim := objects.NewClaim(rc, 20+i)
		change(claim)
		add(f.api, claim)
	}
	f.caches.fill(f.api)
	view, err := f.c.observe(t.Context(), rc, access{})
	if want := []int{2, 7, 12}; err != nil || !slices.Equal(view.Volumes, want) {
		t.Errorf("volumes %v, want %v, error %v", view.Volumes, want, err)
	}
	rc.Spec.Storage.Type = redisv1.StorageEphemeral
	if view, err = f.c.observe(t.Context(), rc, access{}); err != nil || view.Volumes != nil {
		t.Errorf("volumes of ephemeral storage: %v, error %v", view.Volumes, err)
	}
}

// Identity is the owner's UID: the pods of a namesake that is gone are not this cluster's.
func TestPodsOf(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	rc := defaulted(func(rc *redisv1.RedisCluster) { rc.UID = f.cluster("shop").UID })
	for _, ordinal := range []int{11, 2, 0} {
		add(f.api, objects.NewPod(rc, ordinal, objects.Images{}))
	}
	for i, uid := range []types.UID{"former", ""} {
		pod := objects.NewPod(rc, 20+i, objects.Images{})
		pod.OwnerReferences[0].UID = uid
		add(f.api, pod)
	}
	f.caches.fill(f.api)
	pods, err := f.c.podsOf(rc)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range pods {
		names = append(names, p.Name)
	}
	if want := []string{"demo-0", "demo-2", "demo-11"}; !slices.Equal(names, want) {
		t.Errorf("pods %q, want %q", names, want)
	}
}

// A node that does not answer may wait at its gate: its agent knows better.
func TestExplain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	rc := f.cluster("shop")
	a, err := f.c.ensure(t.Context(), func() *redisv1.RedisCluster { redisv1.SetDefaults(rc); return rc }())
	if err != nil {
		t.Fatal(err)
	}
	pods, err := f.c.podsOf(rc)
	if err != nil {
		t.Fatal(err)
	}
	pod := podOf(rc, pods[0], hosts{})
	refused := fmt.Errorf("observe: %w", redis.ErrRefused)
	for name, tc := range map[string]struct {
		answer func(agent.Status) (agent.Status, error)
		want   string
	}{
		"its gate is shut": {func(s agent.Status) (agent.Status, error) {
			s.Phase, s.Waiting = agent.PhaseGate, "its replica is to take over first"
			s.Volume = &agent.Volume{Fault: "no space"}
			return s, nil
		}, "waits at its gate: its replica is to take over first"},
		"another pod's agent": {func(s agent.Status) (agent.Status, error) {
			s.Phase, s.Waiting, s.PodUID = agent.PhaseGate, "x", "somebody"
			return s, nil
		}, refused.Error()},
		"it runs":  {func(s agent.Status) (agent.Status, error) { return s, nil }, refused.Error()},
		"no agent": {func(s agent.Status) (agent.Status, error) { return s, errors.New("no") }, refused.Error()},
	} {
		f.answers["demo-0"] = tc.answer
		m := cluster.Member{Pod: pod, Unseen: refused.Error()}
		f.c.explain(t.Context(), a, &m, refused)
		waits := strings.HasPrefix(tc.want, "waits")
		if m.Unseen != tc.want || m.Down != waits || (m.VolumeFault == "no space") != waits {
			t.Errorf("%s: %+v, want %q", name, m, tc.want)
		}
	}
}
