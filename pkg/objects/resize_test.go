package objects

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// amounts are resources of container redis: "1" is a processor, "1Gi" memory; "" is none.
type amounts struct{ requestCPU, requestMemory, limitCPU, limitMemory string }

func (a amounts) requirements() corev1.ResourceRequirements {
	list := func(cpu, memory string) corev1.ResourceList {
		l := corev1.ResourceList{}
		if cpu != "" {
			l[corev1.ResourceCPU] = resource.MustParse(cpu)
		}
		if memory != "" {
			l[corev1.ResourceMemory] = resource.MustParse(memory)
		}
		return l
	}
	return corev1.ResourceRequirements{Requests: list(a.requestCPU, a.requestMemory), Limits: list(a.limitCPU, a.limitMemory)}
}

func (a amounts) edit(rc *redisv1.RedisCluster) {
	template(func(_ *corev1.PodSpec, c *corev1.Container) { c.Resources = a.requirements() })(rc)
}

func TestResizable(t *testing.T) {
	t.Parallel()
	gib := amounts{"", "1Gi", "", "1Gi"}
	restart := func(name corev1.ResourceName) func(*redisv1.RedisCluster) {
		return template(func(_ *corev1.PodSpec, c *corev1.Container) {
			c.ResizePolicy = []corev1.ContainerResizePolicy{{ResourceName: name, RestartPolicy: corev1.RestartContainer}}
		})
	}
	same := func(*redisv1.RedisCluster) {}
	for name, tc := range map[string]struct {
		was, is amounts
		both    func(*redisv1.RedisCluster)
		only    func(*redisv1.RedisCluster) // after, beside the amounts
		present string                      // by the kubelet; "": as it was asked
		want    bool
	}{
		"more memory":                              {was: gib, is: amounts{"", "2Gi", "", "2Gi"}, want: true},
		"less memory":                              {was: gib, is: amounts{"", "512Mi", "", "512Mi"}},
		"more was asked for, and never given":      {was: amounts{"", "8Gi", "", "8Gi"}, is: gib, present: "1Gi", want: true},
		"more was asked for, and given":            {was: amounts{"", "8Gi", "", "8Gi"}, is: gib, present: "8Gi"},
		"more memory than the request":             {was: amounts{"", "1Gi", "", "2Gi"}, is: amounts{"", "1Gi", "", "4Gi"}, want: true},
		"a smaller request alone":                  {was: amounts{"", "1Gi", "", "2Gi"}, is: amounts{"", "512Mi", "", "2Gi"}, want: true},
		"fewer processors":                         {was: amounts{"2", "1Gi", "", "1Gi"}, is: amounts{"1", "1Gi", "", "1Gi"}, want: true},
		"requests that are the limits by default":  {was: amounts{"", "", "", "1Gi"}, is: amounts{"", "2Gi", "", "2Gi"}, want: true},
		"the first limit":                          {was: amounts{"", "1Gi", "", ""}, is: gib},
		"no limit any more":                        {was: gib, is: amounts{"", "1Gi", "", ""}},
		"no resources any more":                    {was: gib},
		"guaranteed, and more":                     {was: amounts{"1", "1Gi", "1", "1Gi"}, is: amounts{"2", "2Gi", "2", "2Gi"}, want: true},
		"not guaranteed any more":                  {was: amounts{"1", "1Gi", "1", "1Gi"}, is: amounts{"1", "1Gi", "1", "2Gi"}},
		"guaranteed from now on":                   {was: amounts{"1", "1Gi", "1", "2Gi"}, is: amounts{"1", "2Gi", "1", "2Gi"}},
		"another image as well":                    {was: gib, is: amounts{"", "2Gi", "", "2Gi"}, only: template(func(_ *corev1.PodSpec, c *corev1.Container) { c.Image = "x" })},
		"a container that starts again for memory": {was: gib, is: amounts{"", "2Gi", "", "2Gi"}, both: restart(corev1.ResourceMemory)},
		"one that does for what does not change":   {was: gib, is: amounts{"", "2Gi", "", "2Gi"}, both: restart(corev1.ResourceCPU), want: true},
		"resources of the pod as a whole": {
			was: gib, is: amounts{"", "2Gi", "", "2Gi"},
			both: template(func(s *corev1.PodSpec, _ *corev1.Container) { s.Resources = &corev1.ResourceRequirements{} }),
		},
		"huge pages": {was: gib, is: gib, only: template(func(_ *corev1.PodSpec, c *corev1.Container) {
			c.Resources.Limits["hugepages-2Mi"] = resource.MustParse("2Mi")
		})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.both == nil {
				tc.both = same
			}
			if tc.only == nil {
				tc.only = same
			}
			before, after := cluster(tc.was.edit, tc.both), cluster(tc.is.edit, tc.both, tc.only)
			present := MemoryLimit(before)
			if tc.present != "" {
				bytes := resource.MustParse(tc.present)
				present = bytes.Value()
			}
			pod := NewPod(before, 0, images)
			untouched := pod.DeepCopy()
			if got := Resizable(pod, after, present); got != tc.want {
				t.Errorf("resizable: %t", got)
			}
			if !Asked(pod, before) || Asked(pod, after) && tc.was != tc.is {
				t.Errorf("asked for what it has: %t, for what it is to have: %t", Asked(pod, before), Asked(pod, after))
			}
			if !equality.Semantic.DeepEqual(pod, untouched) {
				t.Error("the pod has changed")
			}
		})
	}
}

// A pod that an operator made which did not know of resizes, or one that is not ours to the last field, is replaced.
func TestResizable_OlderPods(t *testing.T) {
	t.Parallel()
	before, after := cluster(amounts{"", "1Gi", "", "1Gi"}.edit), cluster(amounts{"", "2Gi", "", "2Gi"}.edit)
	pod := NewPod(before, 0, images)
	delete(pod.Annotations, redisv1.AnnotationFixedHash)
	if Resizable(pod, after, 0) {
		t.Error("a pod that does not say what it was made from")
	}
}

// What changes is asked for in full, as the API server would complete it.
func TestNewResize(t *testing.T) {
	t.Parallel()
	rc := cluster(amounts{"", "", "2", "2Gi"}.edit)
	pod := NewResize(rc, "demo-3", "uid")
	want := amounts{"2", "2Gi", "2", "2Gi"}.requirements()
	if len(pod.Spec.Containers) != 1 || !equality.Semantic.DeepEqual(pod.Spec.Containers[0].Resources, want) {
		t.Errorf("%+v", pod.Spec.Containers)
	}
	done := NewResized(rc, "demo-3", "uid")
	if len(done.Spec.Containers) != 0 || done.Annotations[redisv1.AnnotationTemplateHash] != TemplateHash(rc) ||
		pod.Annotations[redisv1.AnnotationTemplateHash] != "" {
		t.Errorf("%v, then %v", pod.Annotations, done.Annotations)
	}
}
