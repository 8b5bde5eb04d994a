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

// Another class of volumes replaces the pods whose volumes are not of it, and only those, also half way and back.
func TestPlanOfAnotherClass(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		before, after string // "": the spec names none
		fast          int    // pods that have a volume of that class already
		steps         int
		first         string
	}{
		"another":               {"slow", "fast", 0, 9, "replacing demo-3 by a pod with a volume of class fast, which it now has of class slow"},
		"the first that is set": {"", "fast", 0, 9, "replacing demo-3 by a pod with a volume of class fast, which it now has of class slow"},
		"the one there is":      {"", "slow", 0, 0, ""},
		"half way":              {"fast", "fast", 1, 7, "replacing demo-3 by a pod with a volume of class fast, which it now has of class slow"},
		"half way and back":     {"fast", "slow", 1, 2, "demo-0 hands over to demo-5, which is updated, to be replaced"},
		"any":                   {"fast", "", 1, 0, ""},
	} {
		before := converged("default", "demo")
		before.Spec.Storage.Type = redisv1.StoragePersistent
		after := before.DeepCopy()
		for class, rc := range map[*string]*redisv1.RedisCluster{&tc.before: before, &tc.after: after} {
			if *class != "" {
				rc.Spec.Storage.StorageClassName = class
			}
			for i := range rc.Status.Nodes {
				n := &rc.Status.Nodes[i]
				if n.StorageClass = "slow"; i < tc.fast {
					n.StorageClass = "fast"
				}
				n.Outdated = tc.before != "" && n.StorageClass != tc.before
			}
		}
		p := &prospect{rc: after, before: before}
		p.outline(answers(before))
		if len(p.status.Steps) != tc.steps || tc.steps > 0 && !strings.HasPrefix(p.status.Steps[0], tc.first) {
			t.Errorf("%s: %q", name, p.status.Steps)
		}
		if len(p.notes) > 0 {
			t.Errorf("%s: %q", name, p.notes)
		}
	}
}
