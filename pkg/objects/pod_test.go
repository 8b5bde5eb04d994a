package objects

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// withEverything is a template that uses what pods offer.
func withEverything(rc *redisv1.RedisCluster) {
	template := &rc.Spec.PodTemplate
	template.Labels = map[string]string{"tier": "cache"}
	template.Annotations = map[string]string{"example.com/note": "hello"}
	spec := &template.Spec
	spec.NodeSelector = map[string]string{"disk": "ssd"}
	spec.Tolerations = []corev1.Toleration{{Key: "redis", Operator: corev1.TolerationOpExists}}
	spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "registry"}}
	spec.PriorityClassName = "high"
	spec.SchedulerName = "mine"
	spec.DNSPolicy = corev1.DNSDefault
	spec.RuntimeClassName = new("gvisor")
	spec.HostAliases = []corev1.HostAlias{{IP: "10.0.0.1", Hostnames: []string{"a"}}}
	spec.ShareProcessNamespace = new(true)
	spec.TerminationGracePeriodSeconds = new(int64(300))
	spec.ServiceAccountName = "mine"
	spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "arch", Operator: corev1.NodeSelectorOpExists}},
		}}},
	}}
	spec.InitContainers = []corev1.Container{{Name: "prepare", Image: "busybox"}}
	spec.Volumes = []corev1.Volume{{Name: "extra", VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{},
	}}}
	redis := &spec.Containers[0]
	redis.Env = []corev1.EnvVar{{Name: "TZ", Value: "UTC"}}
	redis.EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: "env"},
	}}}
	redis.WorkingDir = "/tmp"
	redis.ImagePullPolicy = corev1.PullAlways
	redis.VolumeMounts = []corev1.VolumeMount{{Name: "extra", MountPath: "/extra"}}
	redis.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}
	redis.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")}
	redis.Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{
		Exec: &corev1.ExecAction{Command: []string{"true"}},
	}}
	spec.Containers = append([]corev1.Container{{Name: "exporter", Image: "exporter", Args: []string{"-x"}}},
		spec.Containers...)
}

func container(t *testing.T, pod *corev1.Pod, name string) corev1.Container {
	t.Helper()
	for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no container %s", name)
	return corev1.Container{}
}

func TestNewPodHonoursTheTemplate(t *testing.T) {
	t.Parallel()
	rc := cluster(withEverything)
	pod := NewPod(rc, 2, images)
	redis := container(t, pod, "redis")

	if pod.Labels["tier"] != "cache" || pod.Annotations["example.com/note"] != "hello" {
		t.Errorf("labels %v, annotations %v", pod.Labels, pod.Annotations)
	}
	if want := []string{"TZ"}; len(redis.Env) != 1 || redis.Env[0].Name != want[0] || len(redis.EnvFrom) != 1 {
		t.Errorf("env of redis: %v %v", redis.Env, redis.EnvFrom)
	}
	if redis.Lifecycle.PostStart == nil || redis.Lifecycle.PreStop == nil {
		t.Errorf("hooks: %+v", redis.Lifecycle)
	}
	names := func(containers []corev1.Container) string {
		var all []string
		for _, c := range containers {
			all = append(all, c.Name)
		}
		return strings.Join(all, " ")
	}
	if got := names(pod.Spec.InitContainers); got != "prepare redisnode" {
		t.Errorf("init containers: %s", got)
	}
	if got := names(pod.Spec.Containers); got != "exporter redis" {
		t.Errorf("containers: %s", got)
	}

	// What is left when everything that the operator adds is taken away again is the template.
	got := pod.Spec.DeepCopy()
	want := rc.Spec.PodTemplate.Spec.DeepCopy()
	strip(got, want)
	if !equality.Semantic.DeepEqual(want, got) {
		t.Errorf("something of the template is lost:\nwant %s\ngot %s", toYAML(t, want), toYAML(t, got))
	}
}

// strip removes from a rendered spec what the operator adds, as the template has it.
func strip(got, want *corev1.PodSpec) {
	got.Hostname, got.Subdomain, got.RestartPolicy = "", "", ""
	got.AutomountServiceAccountToken, got.EnableServiceLinks = nil, nil
	got.TopologySpreadConstraints, got.SecurityContext = nil, nil
	got.Affinity.PodAntiAffinity = nil
	got.InitContainers = got.InitContainers[:len(want.InitContainers)]
	got.Volumes = got.Volumes[:len(want.Volumes)]
	for _, containers := range [][]corev1.Container{got.InitContainers, got.Containers} {
		for i := range containers {
			containers[i].SecurityContext = nil
		}
	}
	for i := range got.Containers {
		c := &got.Containers[i]
		c.LivenessProbe, c.ReadinessProbe = nil, nil
		if c.Name == "redis" {
			c.Command, c.Ports, c.TerminationMessagePolicy = nil, nil, ""
			c.Lifecycle.PreStop = nil
			c.VolumeMounts = c.VolumeMounts[:1]
		}
	}
}

func TestNewPodKeepsWhatTheOperatorNeeds(t *testing.T) {
	t.Parallel()
	pod := NewPod(cluster(template(func(spec *corev1.PodSpec, redis *corev1.Container) {
		spec.RestartPolicy = corev1.RestartPolicyNever
		spec.Hostname = "mine"
		spec.DeprecatedServiceAccount = "old"
		redis.Command, redis.Args = []string{"sh"}, []string{"-c"}
		redis.StartupProbe = &corev1.Probe{PeriodSeconds: 1}
		redis.LivenessProbe = &corev1.Probe{PeriodSeconds: 1}
		redis.ReadinessProbe = &corev1.Probe{PeriodSeconds: 99}
		redis.Ports = []corev1.ContainerPort{
			{Name: "client", ContainerPort: 6379, HostPort: 6379}, {Name: "more", ContainerPort: 9000},
		}
	})), 1, images)
	redis := container(t, pod, "redis")

	if strings.Join(redis.Command, " ") != "/opt/redisnode/redisnode start" || redis.Args != nil {
		t.Errorf("command %v %v", redis.Command, redis.Args)
	}
	if redis.StartupProbe != nil || redis.LivenessProbe.HTTPGet.Path != "/live" ||
		redis.ReadinessProbe.HTTPGet.Path != "/ready" || redis.ReadinessProbe.PeriodSeconds != 1 {
		t.Errorf("probes: %v %v %v", redis.StartupProbe, redis.LivenessProbe, redis.ReadinessProbe)
	}
	var ports []string
	for _, p := range redis.Ports {
		ports = append(ports, p.Name)
	}
	if got := strings.Join(ports, " "); got != "client more bus" {
		t.Errorf("ports: %s", got)
	}
	if pod.Spec.RestartPolicy != corev1.RestartPolicyAlways || pod.Spec.Hostname != "demo-1" ||
		pod.Spec.ServiceAccountName != "old" {
		t.Errorf("spec: %s", toYAML(t, pod.Spec))
	}
}

// FAULTS 41: the kubelet's longest back-off for a crashing agent is five minutes; redis must outlive it.
func TestLivenessOutlivesTheAgent(t *testing.T) {
	t.Parallel()
	live := container(t, NewPod(cluster(), 0, images), "redis").LivenessProbe
	if patience := live.PeriodSeconds * live.FailureThreshold; patience < 600 {
		t.Errorf("redis is killed %d s after the agent fell silent", patience)
	}
}

// FAULTS 37, safety rule S10: a template that slipped through validation is refused by the API server, not by a panic.
func TestNewPodWithoutContainerRedis(t *testing.T) {
	t.Parallel()
	rc := cluster(func(rc *redisv1.RedisCluster) { rc.Spec.PodTemplate = corev1.PodTemplateSpec{} })
	if redis := container(t, NewPod(rc, 0, images), "redis"); redis.Image != "" {
		t.Errorf("image %q out of nowhere", redis.Image)
	}
	for _, obj := range everything(rc) {
		if obj.GetName() == "" {
			t.Errorf("%T has no name", obj)
		}
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	keys := func(pod *corev1.Pod) string {
		var all []string
		for _, c := range pod.Spec.TopologySpreadConstraints {
			all = append(all, c.TopologyKey+"="+string(c.WhenUnsatisfiable))
		}
		return strings.Join(all, " ")
	}
	for name, tc := range map[string]struct {
		edit         func(*redisv1.RedisCluster)
		keys         string
		antiAffinity bool
	}{
		"zones and hosts, softly": {
			edit:         func(*redisv1.RedisCluster) {},
			keys:         "topology.kubernetes.io/zone=ScheduleAnyway kubernetes.io/hostname=ScheduleAnyway",
			antiAffinity: true,
		},
		"no zones when they do not matter": {
			edit:         func(rc *redisv1.RedisCluster) { rc.Spec.Placement.ZoneAware = new(false) },
			keys:         "kubernetes.io/hostname=ScheduleAnyway",
			antiAffinity: true,
		},
		"the user's constraints": {
			edit: template(func(spec *corev1.PodSpec, _ *corev1.Container) {
				spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{
					{TopologyKey: "rack", WhenUnsatisfiable: corev1.DoNotSchedule},
				}
			}),
			keys:         "rack=DoNotSchedule",
			antiAffinity: true,
		},
		"the user's anti-affinity, even an empty one": {
			edit: template(func(spec *corev1.PodSpec, _ *corev1.Container) {
				spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{}}
			}),
			keys: "topology.kubernetes.io/zone=ScheduleAnyway kubernetes.io/hostname=ScheduleAnyway",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := NewPod(cluster(tc.edit), 0, images)
			if got := keys(pod); got != tc.keys {
				t.Errorf("constraints: %s", got)
			}
			terms := pod.Spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution
			if (len(terms) == 1) != tc.antiAffinity {
				t.Errorf("anti-affinity: %v", terms)
			}
		})
	}
}

// A user who asks for the class Guaranteed gets it: every container has limits that equal its requests.
func TestAgentKeepsTheQualityOfService(t *testing.T) {
	t.Parallel()
	list := func(cpu, memory string) corev1.ResourceList {
		return corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
		}
	}
	for name, tc := range map[string]struct {
		redis corev1.ResourceRequirements
		want  bool
	}{
		"nothing set":           {corev1.ResourceRequirements{}, false},
		"limits only":           {corev1.ResourceRequirements{Limits: list("2", "1Gi")}, true},
		"requests equal limits": {corev1.ResourceRequirements{Limits: list("2", "1Gi"), Requests: list("2000m", "1024Mi")}, true},
		"requests below limits": {corev1.ResourceRequirements{Limits: list("2", "1Gi"), Requests: list("1", "1Gi")}, false},
		"memory limit only": {corev1.ResourceRequirements{
			Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
		}, false},
	} {
		pod := NewPod(cluster(template(func(_ *corev1.PodSpec, redis *corev1.Container) { redis.Resources = tc.redis })), 0, images)
		got := !slices.ContainsFunc(append(pod.Spec.InitContainers, pod.Spec.Containers...),
			func(c corev1.Container) bool { return !guaranteed(c.Resources) })
		if got != tc.want {
			t.Errorf("%s: guaranteed %v, want %v", name, got, tc.want)
		}
		for _, name := range []string{"redisnode"} {
			if r := container(t, pod, name).Resources; r.Limits.Memory().IsZero() || r.Requests.Cpu().IsZero() {
				t.Errorf("container %s: %v", name, r)
			}
		}
	}
}
