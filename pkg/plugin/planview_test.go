package plugin

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// More memory reaches running pods where Kubernetes can do that, and the plan says so.
func TestPlanOfMoreMemory(t *testing.T) {
	t.Parallel()
	memory := func(rc *redisv1.RedisCluster, amount string) {
		list := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(amount)}
		rc.Spec.PodTemplate.Spec.Containers[0].Resources = corev1.ResourceRequirements{Requests: list, Limits: list}
	}
	for name, tc := range map[string]struct {
		to      string
		resizes bool
		step    string
	}{
		"more":                        {"2Gi", true, "giving demo-0 its new memory and processors, redis runs on"},
		"less":                        {"512Mi", true, "replacing demo-3 by a pod of the new template"},
		"more in an older Kubernetes": {"2Gi", false, "replacing demo-3 by a pod of the new template"},
	} {
		before := converged("default", "demo")
		before.Spec.PodTemplate.Spec.Containers = []corev1.Container{{Name: redisv1.ContainerRedis, Image: "redis:8.0"}}
		memory(before, "1Gi")
		after := before.DeepCopy()
		memory(after, tc.to)
		p := &prospect{rc: after, before: before, resizes: tc.resizes}
		p.outline(nil)
		if len(p.status.Steps) == 0 || !strings.HasPrefix(p.status.Steps[0], tc.step) {
			t.Errorf("%s: %q", name, p.status.Steps)
		}
	}
}
