package objects

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// The hash is written into pods that outlive this version of the operator: when this test fails, every pod of every
// cluster is about to be restarted by an upgrade. Only podFormat may do that, on purpose.
func TestFault60_TemplateHashIsStable(t *testing.T) {
	t.Parallel()
	for want, rc := range map[string]*redisv1.RedisCluster{
		"f67778b5ca7ead36": cluster(),
		"ea6f0b4dc293701b": cluster(persistent, withEverything),
		"bbce33ed6c539de7": cluster(modules("/a.so", "1"), renamed(redisv1.RenamedCommands{"keys": "k", "flushall": ""})),
	} {
		if got := TemplateHash(rc); got != want {
			t.Errorf("hash %s, want %s", got, want)
		}
	}
	if got, want := FixedHash(cluster(withEverything)), "f008994f53d8549b"; got != want {
		t.Errorf("hash without resources %s, want %s", got, want)
	}
}

// Another version of the operator may render a pod differently: pods that it finds, or leaves behind, stay.
func TestFault60_PodsOfAnotherOperatorStay(t *testing.T) {
	t.Parallel()
	rc := cluster(persistent)
	pod := NewPod(rc, 0, Images{Redisnode: "redisnode:9.9"})
	pod.Annotations["redisoperator.io/of-another-version"] = "x"
	pod.Spec.InitContainers = append(pod.Spec.InitContainers, corev1.Container{Name: "of-another-version"})
	pod.Spec.Containers[0].Command = []string{"/somewhere/else"}
	pod.Spec.Containers[0].Env = append(pod.Spec.Containers[0].Env, corev1.EnvVar{Name: "NEW", Value: "1"})
	pod.Spec.TerminationGracePeriodSeconds = new(int64(1))
	if Outdated(pod, rc) {
		t.Error("outdated by what no user has asked for")
	}
}

func TestOutdated(t *testing.T) {
	t.Parallel()
	redis := func(edit func(*corev1.Container)) func(*redisv1.RedisCluster) {
		return template(func(_ *corev1.PodSpec, c *corev1.Container) { edit(c) })
	}
	limits := func(cpu string) func(*redisv1.RedisCluster) {
		return redis(func(c *corev1.Container) {
			c.Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}
		})
	}
	for name, tc := range map[string]struct {
		was, is func(*redisv1.RedisCluster)
		want    bool
	}{
		"another image":      {is: redis(func(c *corev1.Container) { c.Image = "valkey:9" }), want: true},
		"another limit":      {was: limits("1"), is: limits("2"), want: true},
		"another annotation": {is: func(rc *redisv1.RedisCluster) { rc.Spec.PodTemplate.Annotations = map[string]string{"restart": "1"} }, want: true},
		"another label":      {is: func(rc *redisv1.RedisCluster) { rc.Spec.PodTemplate.Labels = map[string]string{"a": "b"} }, want: true},
		"a toleration": {is: template(func(s *corev1.PodSpec, _ *corev1.Container) {
			s.Tolerations = []corev1.Toleration{{Key: "x"}}
		}), want: true},
		"an explicit false": {is: template(func(s *corev1.PodSpec, _ *corev1.Container) {
			s.ShareProcessNamespace = new(false)
		}), want: true},
		"another storage": {is: persistent, want: true},
		"a module":        {is: modules("/a.so"), want: true},
		"other arguments": {was: modules("/a.so", "1"), is: modules("/a.so", "2"), want: true},
		"a command taken": {is: renamed(redisv1.RenamedCommands{"flushall": ""}), want: true},
		"another name": {
			was: renamed(redisv1.RenamedCommands{"keys": "a"}), is: renamed(redisv1.RenamedCommands{"keys": "b"}), want: true,
		},

		"the same":                      {is: func(*redisv1.RedisCluster) {}},
		"an equal quantity":             {was: limits("1"), is: limits("1000m")},
		"an empty list for no list":     {is: redis(func(c *corev1.Container) { c.Env = []corev1.EnvVar{} })},
		"no modules":                    {is: func(rc *redisv1.RedisCluster) { rc.Spec.Modules = []redisv1.Module{} }},
		"an empty object for no object": {is: redis(func(c *corev1.Container) { c.SecurityContext = &corev1.SecurityContext{} })},
		"more masters":                  {is: func(rc *redisv1.RedisCluster) { rc.Spec.NumberOfMaster = new(int32(9)) }},
		"another setting":               {is: func(rc *redisv1.RedisCluster) { rc.Spec.Config = map[string]redisv1.ConfigValue{"hz": "20"} }},
		"another share of memory":       {is: func(rc *redisv1.RedisCluster) { rc.Spec.Memory.MaxmemoryPercent = new(int32(50)) }},
		"another placement":             {is: func(rc *redisv1.RedisCluster) { rc.Spec.Placement.ZoneAware = new(false) }},
		"more labels on everything":     {is: func(rc *redisv1.RedisCluster) { rc.Spec.AdditionalLabels = map[string]string{"a": "b"} }},
		"a bigger volume": {was: persistent, is: func(rc *redisv1.RedisCluster) {
			persistent(rc)
			rc.Spec.Storage.Size = new(resource.MustParse("20Gi"))
			rc.Spec.Storage.StorageClassName = new("fast")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.was == nil {
				tc.was = func(*redisv1.RedisCluster) {}
			}
			pod := NewPod(cluster(tc.was), 0, images)
			if got := Outdated(pod, cluster(tc.is)); got != tc.want {
				t.Errorf("outdated: %v", got)
			}
		})
	}
}

// An upgrade of the operator brings another redisnode image. It restarts nobody.
func TestOutdatedIgnoresTheRedisnodeImage(t *testing.T) {
	t.Parallel()
	pod := NewPod(cluster(), 0, Images{Redisnode: "redisnode:old"})
	if Outdated(pod, cluster()) {
		t.Error("outdated by an image of the operator's")
	}
}

func TestEveryPodOfAClusterHasTheSameHash(t *testing.T) {
	t.Parallel()
	rc := cluster(persistent, withEverything)
	for ordinal := range 20 {
		if Outdated(NewPod(rc, ordinal, images), rc) {
			t.Errorf("pod %d is born outdated", ordinal)
		}
	}
}

// What comes back from the API server means the same.
func TestTemplateHashSurvivesTheAPIServer(t *testing.T) {
	t.Parallel()
	rc := cluster(persistent, withEverything)
	text, err := json.Marshal(rc)
	if err != nil {
		t.Fatal(err)
	}
	var back redisv1.RedisCluster
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if TemplateHash(&back) != TemplateHash(rc) {
		t.Error("another hash after a round trip")
	}
}
