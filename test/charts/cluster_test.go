package charts_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

func cluster(t *testing.T, args ...string) *redisv1.RedisCluster {
	t.Helper()
	return as[redisv1.RedisCluster](t, only(t, render(t, clusterChart, args...), "RedisCluster", "demo"))
}

func TestClusterAsInTheReadme(t *testing.T) {
	t.Parallel()
	objects := render(t, clusterChart, "--set", "numberOfMaster=3", "--set", "replicationFactor=1")
	if len(objects) != 1 {
		t.Fatalf("%d objects, want one", len(objects))
	}
	rc := cluster(t, "--set", "numberOfMaster=3", "--set", "replicationFactor=1")
	if rc.Namespace != "ns1" || *rc.Spec.NumberOfMaster != 3 || *rc.Spec.ReplicationFactor != 1 {
		t.Errorf("%+v", rc)
	}
	c := rc.Spec.PodTemplate.Spec.Containers
	if len(c) != 1 || c[0].Name != redisv1.ContainerRedis || c[0].Image != "redis:8.0" {
		t.Errorf("containers %+v", c)
	}
	if rc.Spec.Storage != (redisv1.StorageSpec{Type: redisv1.StorageEphemeral, Retention: redisv1.RetentionRetain}) {
		t.Errorf("storage %+v", rc.Spec.Storage)
	}
}

// The chart's defaults must be those of the API, or a RedisCluster written by hand would differ from one by the chart.
func TestClusterDefaultsAreThoseOfTheAPI(t *testing.T) {
	t.Parallel()
	got := cluster(t).Spec
	got.PodTemplate = corev1.PodTemplateSpec{}
	want := redisv1.RedisCluster{}
	redisv1.SetDefaults(&want)
	if !reflect.DeepEqual(got, want.Spec) {
		t.Errorf("got  %+v\nwant %+v", got, want.Spec)
	}
}

func TestClusterConfigIsText(t *testing.T) {
	t.Parallel()
	values := filepath.Join(t.TempDir(), "values.yaml")
	text := `
config:
  appendonly: yes
  lazyfree-lazy-eviction: no
  maxmemory: 100000000000
  active-defrag-threshold-lower: 1.5
  hz: "50"
  save: ""
  notify-keyspace-events: "K{{ .x }}E"
`
	if err := os.WriteFile(values, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := cluster(t, "--values", values).Spec.Config
	want := redisv1.Config{
		"appendonly": "yes", "lazyfree-lazy-eviction": "no", "maxmemory": "100000000000",
		"active-defrag-threshold-lower": "1.5", "hz": "50", "save": "", "notify-keyspace-events": "K{{ .x }}E",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestClusterStorage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set   string
		class *string
	}{
		"the default class": {"storage.type=PersistentVolumeClaim,storage.size=10Gi", nil},
		"no class":          {"storage.type=PersistentVolumeClaim,storage.size=10Gi,storage.storageClassName=", new(string)},
		"a class":           {"storage.type=PersistentVolumeClaim,storage.size=10Gi,storage.storageClassName=fast", new("fast")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := cluster(t, "--set", c.set).Spec.Storage
			if got.Size.String() != "10Gi" || !reflect.DeepEqual(got.StorageClassName, c.class) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestClusterPassesThePodOn(t *testing.T) {
	t.Parallel()
	values := filepath.Join(t.TempDir(), "values.yaml")
	text := `
image: {repository: valkey/valkey, tag: "9.1", pullPolicy: Never}
imagePullSecrets: [{name: pull}]
serviceName: front
additionalLabels: {team: x}
auth: {secretName: mine}
placement: {zoneAware: false}
disruption: {podDisruptionBudget: false}
memory: {maxmemoryPercent: 60}
migration: {balance: Bytes, engine: Classic, profile: Throughput, maxBatchMillis: 7, maxKeyBytes: 1000000000, parallelism: 2}
paused: true
storage: {type: PersistentVolumeClaim, size: 1Gi, retention: Delete, adopt: true, persistence: RDB}
hibernate: true
modules: [{path: /a.so, args: [PATH, 7]}, {path: /b.so}]
renamedCommands: {flushall: "", keys: keys-x}
podLabels: {a: b}
podAnnotations: {c: d}
nodeSelector: {disk: ssd}
tolerations: [{key: k, operator: Exists}]
affinity: {nodeAffinity: {}}
topologySpreadConstraints: [{maxSkew: 1, topologyKey: host, whenUnsatisfiable: ScheduleAnyway}]
priorityClassName: high
podSecurityContext: {fsGroup: 1}
securityContext: {runAsUser: 2}
terminationGracePeriodSeconds: 0
extraContainers: [{name: exporter, image: e}]
extraInitContainers: [{name: first, image: f}]
extraVolumes: [{name: v, emptyDir: {}}]
extraVolumeMounts: [{name: v, mountPath: /v}]
extraEnv: [{name: TZ, value: UTC}]
`
	if err := os.WriteFile(values, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	rc := cluster(t, "--values", values)
	s, pod := rc.Spec, rc.Spec.PodTemplate.Spec
	for what, ok := range map[string]bool{
		"serviceName":      s.ServiceName == "front",
		"additionalLabels": s.AdditionalLabels["team"] == "x",
		"auth":             s.Auth.SecretName == "mine",
		"placement":        !*s.Placement.ZoneAware,
		"disruption":       !*s.Disruption.PodDisruptionBudget,
		"migration": s.Migration.Balance == redisv1.BalanceBytes && s.Migration.Engine == redisv1.EngineClassic &&
			s.Migration.Profile == redisv1.ProfileThroughput && *s.Migration.MaxBatchMillis == 7 &&
			s.Migration.MaxKeyBytes.Value() == 1000000000 && *s.Migration.Parallelism == 2,
		"paused":         s.Paused,
		"hibernate":      s.Hibernate,
		"modules":        len(s.Modules) == 2 && s.Modules[0].Path == "/a.so" && slices.Equal(s.Modules[0].Args, []redisv1.ModuleArg{"PATH", "7"}),
		"commands":       len(s.RenamedCommands) == 2 && s.RenamedCommands["keys"] == "keys-x",
		"storage":        s.Storage.Retention == redisv1.RetentionDelete && s.Storage.Adopt && s.Storage.Persistence == redisv1.PersistenceRDB,
		"memory":         *s.Memory.MaxmemoryPercent == 60,
		"podLabels":      s.PodTemplate.Labels["a"] == "b",
		"podAnnotations": s.PodTemplate.Annotations["c"] == "d",
		"nodeSelector":   pod.NodeSelector["disk"] == "ssd",
		"tolerations":    len(pod.Tolerations) == 1,
		"affinity":       pod.Affinity != nil && pod.Affinity.NodeAffinity != nil,
		"topology":       len(pod.TopologySpreadConstraints) == 1,
		"priority":       pod.PriorityClassName == "high",
		"pull secrets":   len(pod.ImagePullSecrets) == 1,
		"pod security":   *pod.SecurityContext.FSGroup == 1,
		"grace":          *pod.TerminationGracePeriodSeconds == 0,
		"init":           len(pod.InitContainers) == 1,
		"volumes":        len(pod.Volumes) == 1,
		"containers":     len(pod.Containers) == 2 && pod.Containers[1].Name == "exporter",
		"image":          pod.Containers[0].Image == "valkey/valkey:9.1",
		"pull policy":    pod.Containers[0].ImagePullPolicy == corev1.PullNever,
		"security":       *pod.Containers[0].SecurityContext.RunAsUser == 2,
		"mounts":         len(pod.Containers[0].VolumeMounts) == 1,
		"env":            len(pod.Containers[0].Env) == 1,
	} {
		if !ok {
			t.Errorf("%s is not passed on: %+v", what, s)
		}
	}
}
