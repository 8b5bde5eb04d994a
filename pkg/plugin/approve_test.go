package plugin

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

// held is a supervised update that has come to its masters.
func held() *redisv1.RedisCluster {
	rc := converged("default", "demo")
	rc.Spec.Update.Strategy = redisv1.UpdateSupervised
	rc.Status.Update = &redisv1.UpdateStatus{Revision: "abc", UpdatedPods: 3}
	for i := range rc.Status.Nodes {
		rc.Status.Nodes[i].Outdated = rc.Status.Nodes[i].Role == redisv1.RoleMaster
	}
	rc.Status.Conditions[0] = condition(redisv1.ConditionProgressing, metav1.ConditionFalse, plan.UpdateAwaitsApproval,
		"demo-0, demo-1 and demo-2 are not updated yet")
	return rc
}

func TestApprove(t *testing.T) {
	t.Parallel()
	f := newFixture("default", nil, held())
	for range 2 {
		if err := f.run(t.Context(), "approve", "demo"); err != nil {
			t.Fatal(err)
		}
	}
	rc, err := f.clients.get(t.Context(), "demo")
	if err != nil || rc.Annotations[redisv1.AnnotationApprovedRevision] != "abc" {
		t.Errorf("annotations %v, %v", rc.Annotations, err)
	}
	golden(t, "approve", f.out.String())
	for name, edit := range map[string]func(*redisv1.RedisCluster){
		"nothing to approve: spec.update.strategy": func(rc *redisv1.RedisCluster) { rc.Spec.Update.Strategy = redisv1.UpdateAutomatic },
		"all pods of demo are updated":             func(rc *redisv1.RedisCluster) { rc.Status.Update.UpdatedPods = 6 },
		"has not looked at the spec":               func(rc *redisv1.RedisCluster) { rc.Generation++ },
	} {
		rc := held()
		edit(rc)
		if err := newFixture("default", nil, rc).run(t.Context(), "approve", "demo"); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	golden(t, "why_held", Why(held(), nil, now))
}

// What was approved is waited for, although the operator's last word is that it stands still for it; what was not
// ends the wait.
func TestApprove_UntilDone(t *testing.T) {
	t.Parallel()
	approved, atWork := held(), held()
	approved.Annotations = map[string]string{redisv1.AnnotationApprovedRevision: "abc"}
	atWork.Status.Conditions[0] = condition(redisv1.ConditionProgressing, metav1.ConditionTrue, plan.RollingUpdate, "so it is")
	f := newFixture("default", nil)
	script(t, f, approved, atWork, converged("default", "demo"))
	if err := f.run(t.Context(), "status", "demo", "--until-done"); err != nil {
		t.Errorf("after an approval: %v", err)
	}
	other := held()
	other.Annotations = map[string]string{redisv1.AnnotationApprovedRevision: "the one before"}
	f = newFixture("default", nil)
	script(t, f, other)
	if err := f.run(t.Context(), "status", "demo", "--until-done"); !errors.Is(err, ErrNotDone) {
		t.Errorf("without one of this revision: %v", err)
	}
}

// A plan for another image says which pod is replaced when, and moves no slot.
func TestPlan_Template(t *testing.T) {
	t.Parallel()
	before := converged("default", "demo")
	after := before.DeepCopy()
	after.Spec.PodTemplate.Spec.Containers = []corev1.Container{{Name: redisv1.ContainerRedis, Image: "redis:8"}}
	p := &prospect{rc: after, before: before}
	p.outline(nil)
	if p.status.Slots != 0 || p.failover != 3 || len(p.status.Steps) != 9 ||
		!strings.HasPrefix(p.status.Steps[0], "replacing demo-3 by a pod of the new template") {
		t.Errorf("%d slots, %d failovers, steps %q", p.status.Slots, p.failover, p.status.Steps)
	}
	p = &prospect{rc: held(), before: held()}
	p.outline(nil)
	if p.failover != 3 || len(p.status.Steps) != 7 || !strings.Contains(p.status.Steps[0], "approve -n default demo") {
		t.Errorf("%d failovers, steps %q", p.failover, p.status.Steps)
	}
	after.Spec.Update.Strategy = redisv1.UpdateSupervised
	p = &prospect{rc: after, before: before}
	p.outline(nil)
	if len(p.status.Steps) != 10 || !strings.HasPrefix(p.status.Steps[3], "waiting for a person") {
		t.Errorf("steps %q: the wait is not between replicas and primaries", p.status.Steps)
	}
	after.Annotations = map[string]string{redisv1.AnnotationApprovedRevision: objects.UpdateHash(after)}
	p = &prospect{rc: after, before: before}
	p.outline(nil)
	if len(p.status.Steps) != 9 {
		t.Errorf("what is approved waits: %q", p.status.Steps)
	}
}
