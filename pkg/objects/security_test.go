package objects

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"pgregory.net/rapid"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// restricted evaluates a pod as the admission of a namespace does that enforces Pod Security "restricted".
func restricted(t interface{ Fatal(...any) }, pod *corev1.Pod) policy.AggregateCheckResult {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	return policy.AggregateCheckResults(evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec))
}

func TestPodSecurityRestricted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		edit func(*redisv1.RedisCluster)
		want bool
	}{
		"a template with an image and no more": {func(*redisv1.RedisCluster) {}, true},
		"a persistent cluster":                 {persistent, true},
		"a template that uses everything":      {withEverything, true},
		"another user": {template(func(spec *corev1.PodSpec, _ *corev1.Container) {
			spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: new(int64(1001))}
		}), true},
		"a capability that restricted allows": {template(func(_ *corev1.PodSpec, redis *corev1.Container) {
			redis.SecurityContext = &corev1.SecurityContext{
				Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_BIND_SERVICE"}},
			}
		}), true},
		"who asks for root gets it, or the namespace's refusal": {template(func(spec *corev1.PodSpec, _ *corev1.Container) {
			spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: new(int64(0))}
		}), false},
		"who asks for privilege, too": {template(func(_ *corev1.PodSpec, redis *corev1.Container) {
			redis.SecurityContext = &corev1.SecurityContext{Privileged: new(true)}
		}), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result := restricted(t, NewPod(cluster(tc.edit), 0, images))
			if result.Allowed != tc.want {
				t.Errorf("allowed: %v: %s", result.Allowed, result.ForbiddenDetail())
			}
		})
	}
}

// The API server refuses a pod that is privileged and must not escalate, and a root user that must not be root.
func TestWhoAsksForPrivilegeGetsAConsistentPod(t *testing.T) {
	t.Parallel()
	pod := NewPod(cluster(template(func(spec *corev1.PodSpec, redis *corev1.Container) {
		spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: new(int64(0))}
		redis.SecurityContext = &corev1.SecurityContext{Privileged: new(true)}
		spec.InitContainers = []corev1.Container{{Name: "sysctl", SecurityContext: &corev1.SecurityContext{
			Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_ADMIN"}},
		}}}
	})), 0, images)
	if pod.Spec.SecurityContext.RunAsNonRoot != nil {
		t.Error("root that must not be root")
	}
	for _, name := range []string{"redis", "sysctl"} {
		if container(t, pod, name).SecurityContext.AllowPrivilegeEscalation != nil {
			t.Errorf("container %s is privileged and must not escalate", name)
		}
	}
	if agent := container(t, pod, "redisnode").SecurityContext; *agent.AllowPrivilegeEscalation || agent.Privileged != nil {
		t.Error("the agent got the privilege that redis asked for")
	}
}

// The agent shares sockets and files with redis, so it is the same user.
func TestTheAgentIsTheUserOfRedis(t *testing.T) {
	t.Parallel()
	pod := NewPod(cluster(template(func(_ *corev1.PodSpec, redis *corev1.Container) {
		redis.SecurityContext = &corev1.SecurityContext{RunAsUser: new(int64(1001)), RunAsGroup: new(int64(0))}
	})), 0, images)
	for _, name := range []string{"redis", "redisnode"} {
		if s := container(t, pod, name).SecurityContext; *s.RunAsUser != 1001 || *s.RunAsGroup != 0 {
			t.Errorf("container %s: %v", name, s)
		}
	}
}

// Whatever a template says that does not itself ask for privilege, the pod is restricted, and the agent's containers
// and redis cannot write to their root file system.
func TestPodSecurityProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rc := cluster(template(func(spec *corev1.PodSpec, redis *corev1.Container) {
			if rapid.Bool().Draw(t, "pod security context") {
				spec.SecurityContext = drawPodContext(t)
			}
			redis.SecurityContext = drawContext(t, "redis")
			for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.ID).Draw(t, "more") {
				spec.Containers = append(spec.Containers, corev1.Container{Name: name, SecurityContext: drawContext(t, name)})
			}
			for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"x", "y"}), rapid.ID).Draw(t, "init") {
				spec.InitContainers = append(spec.InitContainers,
					corev1.Container{Name: name, SecurityContext: drawContext(t, name)})
			}
		}))
		if rapid.Bool().Draw(t, "persistent") {
			persistent(rc)
		}
		pod := NewPod(rc, rapid.IntRange(0, 999).Draw(t, "ordinal"), images)
		if result := restricted(t, pod); !result.Allowed {
			t.Fatalf("%s: %s", result.ForbiddenReason(), result.ForbiddenDetail())
		}
		for _, c := range pod.Spec.InitContainers[len(pod.Spec.InitContainers)-1:] {
			if !*c.SecurityContext.ReadOnlyRootFilesystem {
				t.Fatalf("container %s can write", c.Name)
			}
		}
	})
}

func maybe[T any](t *rapid.T, label string, values ...T) *T {
	if i := rapid.IntRange(-1, len(values)-1).Draw(t, label); i >= 0 {
		return &values[i]
	}
	return nil
}

func drawPodContext(t *rapid.T) *corev1.PodSecurityContext {
	return &corev1.PodSecurityContext{
		RunAsUser:           maybe(t, "user", int64(1), int64(999), int64(70000)),
		RunAsGroup:          maybe(t, "group", int64(0), int64(999)),
		FSGroup:             maybe(t, "fsGroup", int64(0), int64(1000)),
		RunAsNonRoot:        maybe(t, "nonRoot", true),
		FSGroupChangePolicy: maybe(t, "policy", corev1.FSGroupChangeAlways),
		SeccompProfile:      maybe(t, "seccomp", corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}),
		SupplementalGroups:  []int64{rapid.Int64Range(0, 5).Draw(t, "groups")},
	}
}

func drawContext(t *rapid.T, name string) *corev1.SecurityContext {
	if !rapid.Bool().Draw(t, name) {
		return nil
	}
	s := &corev1.SecurityContext{
		RunAsUser:                maybe(t, name+" user", int64(1), int64(1001)),
		RunAsNonRoot:             maybe(t, name+" nonRoot", true),
		AllowPrivilegeEscalation: maybe(t, name+" escalation", false),
		ReadOnlyRootFilesystem:   maybe(t, name+" readOnly", true, false),
		Privileged:               maybe(t, name+" privileged", false),
		SeccompProfile:           maybe(t, name+" seccomp", corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}),
	}
	if rapid.Bool().Draw(t, name+" capabilities") {
		s.Capabilities = &corev1.Capabilities{}
		if rapid.Bool().Draw(t, name+" add") {
			s.Capabilities.Add = []corev1.Capability{"NET_BIND_SERVICE"}
		}
		if rapid.Bool().Draw(t, name+" drop") {
			s.Capabilities.Drop = []corev1.Capability{"ALL"}
		}
	}
	return s
}
