//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// TestBadInputIsRefused asks the API server itself: the answer must name the field.
func TestBadInputIsRefused(t *testing.T) {
	ns := env.Namespace(t, "e2e-refuse")
	container := func(name string) corev1.Container { return corev1.Container{Name: name, Image: "redis:8.0"} }
	spec := func(rc *redisv1.RedisCluster) *corev1.PodSpec { return &rc.Spec.PodTemplate.Spec }
	config := func(key, value string) func(*redisv1.RedisCluster) {
		return func(rc *redisv1.RedisCluster) {
			rc.Spec.Config = redisv1.Config{key: redisv1.ConfigValue(value)}
		}
	}
	modules := func(all ...redisv1.Module) func(*redisv1.RedisCluster) {
		return func(rc *redisv1.RedisCluster) { rc.Spec.Modules = all }
	}
	commands := func(name string, to redisv1.CommandName) func(*redisv1.RedisCluster) {
		return func(rc *redisv1.RedisCluster) { rc.Spec.RenamedCommands = redisv1.RenamedCommands{name: to} }
	}
	size := resource.MustParse("0")
	cases := map[string]struct {
		edit func(rc *redisv1.RedisCluster)
		want string
	}{
		"no masters":    {func(rc *redisv1.RedisCluster) { rc.Spec.NumberOfMaster = new(int32(0)) }, "spec.numberOfMaster"},
		"-1 masters":    {func(rc *redisv1.RedisCluster) { rc.Spec.NumberOfMaster = new(int32(-1)) }, "spec.numberOfMaster"},
		"two masters":   {func(rc *redisv1.RedisCluster) { rc.Spec.NumberOfMaster = new(int32(2)) }, "spec.numberOfMaster"},
		"20000 masters": {func(rc *redisv1.RedisCluster) { rc.Spec.NumberOfMaster = new(int32(20000)) }, "spec.numberOfMaster"},
		"-1 replicas":   {func(rc *redisv1.RedisCluster) { rc.Spec.ReplicationFactor = new(int32(-1)) }, "spec.replicationFactor"},
		"1600 nodes":    {func(rc *redisv1.RedisCluster) { rc.Spec.NumberOfMaster = new(int32(800)) }, "spec.replicationFactor"},
		"-1 bytes of a key": {func(rc *redisv1.RedisCluster) {
			rc.Spec.Migration.MaxKeyBytes = new(resource.MustParse("-1"))
		}, "spec.migration.maxKeyBytes"},
		"no time for a batch": {func(rc *redisv1.RedisCluster) {
			rc.Spec.Migration.MaxBatchMillis = new(int32(0))
		}, "spec.migration.maxBatchMillis"},
		"65 pairs": {func(rc *redisv1.RedisCluster) {
			rc.Spec.Migration.Parallelism = new(int32(65))
		}, "spec.migration.parallelism"},
		"engine":  {func(rc *redisv1.RedisCluster) { rc.Spec.Migration.Engine = "Fast" }, "spec.migration.engine"},
		"balance": {func(rc *redisv1.RedisCluster) { rc.Spec.Migration.Balance = "Keys" }, "spec.migration.balance"},
		"profile": {func(rc *redisv1.RedisCluster) { rc.Spec.Migration.Profile = "Slow" }, "spec.migration.profile"},
		"two pods at a time": {func(rc *redisv1.RedisCluster) {
			rc.Spec.Update.MaxUnavailable = new(int32(2))
		}, "spec.update.maxUnavailable must be 1"},
		"update strategy":         {func(rc *redisv1.RedisCluster) { rc.Spec.Update.Strategy = "Now" }, "spec.update.strategy"},
		"agents' update":          {func(rc *redisv1.RedisCluster) { rc.Spec.Update.Redisnode = "Never" }, "spec.update.redisnode"},
		"a window of four fields": {windowed("0 2 * *", "4h", ""), "spec.maintenance.windows[].schedule must have five fields"},
		"a window at minute 60":   {windowed("60 2 * * *", "4h", ""), "spec.maintenance.windows[].schedule: the first field is minutes"},
		"a window at 25 o'clock":  {windowed("0 1-25 * * *", "4h", ""), "spec.maintenance.windows[].schedule: the second field is hours"},
		"a window on the 0th":     {windowed("0 2 0,1 * *", "4h", ""), "spec.maintenance.windows[].schedule: the third field is days of the month"},
		"a window in month 13":    {windowed("0 2 * 13 *", "4h", ""), "spec.maintenance.windows[].schedule: the fourth field is months"},
		"a window on day 7":       {windowed("0 2 * * 7", "4h", ""), "spec.maintenance.windows[].schedule: the fifth field is days of the week"},
		"a window of some hours":  {windowed("0 2 * * *", "4 hours", ""), "spec.maintenance.windows[].duration must be at least 1m"},
		"a window of a second":    {windowed("0 2 * * *", "1s", ""), "spec.maintenance.windows[].duration must be at least 1m"},
		"a window nowhere":        {windowed("0 2 * * *", "4h", "over there"), "spec.maintenance.windows[].timeZone must be a name"},

		"no container": {func(rc *redisv1.RedisCluster) { spec(rc).Containers[0].Name = "db" }, "spec.podTemplate"},
		"no image":     {func(rc *redisv1.RedisCluster) { spec(rc).Containers[0].Image = "" }, "spec.podTemplate"},
		"command":      {func(rc *redisv1.RedisCluster) { spec(rc).Containers[0].Command = []string{"sh"} }, "command"},
		"second reserved": {func(rc *redisv1.RedisCluster) {
			spec(rc).Containers = append(spec(rc).Containers, container("redisnode"))
		}, "redisnode"},
		"reserved init": {func(rc *redisv1.RedisCluster) {
			spec(rc).InitContainers = []corev1.Container{container("redisnode")}
		}, "initContainers"},
		"reserved volume":     {func(rc *redisv1.RedisCluster) { spec(rc).Volumes = []corev1.Volume{{Name: "data"}} }, "volumes"},
		"cluster-enabled":     {config("cluster-enabled", "no"), "spec.config.cluster-enabled"},
		"dir":                 {config("dir", "/tmp"), "spec.config.dir"},
		"port":                {config("port", "1"), "spec.config.port"},
		"bind":                {config("bind", "0.0.0.0"), "spec.config.bind"},
		"unixsocket":          {config("unixsocket", "/x"), "spec.config.unixsocket"},
		"cluster-config-file": {config("cluster-config-file", "x"), "spec.config.cluster-config-file"},
		"requirepass":         {config("requirepass", "x"), "spec.config.requirepass"},
		"two lines":           {config("maxmemory-policy", "noeviction\nport 1"), "one line"},
		"upper case":          {config("MaxMemory", "1gb"), "spec.config keys"},
		"label": {func(rc *redisv1.RedisCluster) {
			rc.Spec.AdditionalLabels = map[string]string{"redisoperator.io/cluster": "x"}
		}, "spec.additionalLabels"},
		"claim without size": {func(rc *redisv1.RedisCluster) { rc.Spec.Storage.Type = redisv1.StoragePersistent }, "spec.storage.size"},
		"size without claim": {func(rc *redisv1.RedisCluster) {
			rc.Spec.Storage = redisv1.StorageSpec{Type: redisv1.StorageEphemeral, Size: &size}
		}, "spec.storage"},
		"persistence and appendonly": {func(rc *redisv1.RedisCluster) {
			rc.Spec.Storage.Persistence = redisv1.PersistenceAOF
			rc.Spec.Config = redisv1.Config{"appendonly": "yes"}
		}, "spec.config.appendonly"},
		"persistence and snapshots": {func(rc *redisv1.RedisCluster) {
			rc.Spec.Storage.Persistence = redisv1.PersistenceAOF
			rc.Spec.Config = redisv1.Config{"save": "900 1"}
		}, "spec.config.save"},
		"persistence without snapshots": {func(rc *redisv1.RedisCluster) {
			rc.Spec.Storage.Persistence = redisv1.PersistenceRDB
			rc.Spec.Config = redisv1.Config{"save": ""}
		}, "spec.config.save"},
		"a persistence that is none": {func(rc *redisv1.RedisCluster) {
			rc.Spec.Storage.Persistence = "Some"
		}, "spec.storage.persistence"},
		"hibernation with nothing on disk": {func(rc *redisv1.RedisCluster) {
			rc.Spec.Hibernate = true
			rc.Spec.Storage = redisv1.StorageSpec{
				Type: redisv1.StoragePersistent, Size: new(resource.MustParse("1Gi")), Persistence: redisv1.PersistenceNone,
			}
		}, "spec.hibernate"},
		"loadmodule":            {config("loadmodule", "/a.so"), "use spec.modules"},
		"rename-command":        {config("rename-command", "keys x"), "use spec.renamedCommands"},
		"a relative module":     {modules(redisv1.Module{Path: "a.so"}), "spec.modules[].path must be absolute"},
		"a module of two lines": {modules(redisv1.Module{Path: "/a.so\nport 1"}), "spec.modules[].path"},
		"no module":             {modules(redisv1.Module{}), "spec.modules[0].path"},
		"an argument of two lines": {
			modules(redisv1.Module{Path: "/a.so", Args: []redisv1.ModuleArg{"a\nport 1"}}), "spec.modules[].args",
		},
		"a module twice":                         {modules(redisv1.Module{Path: "/a.so"}, redisv1.Module{Path: "/a.so"}), "spec.modules[1]"},
		"another name for a command that writes": {commands("set", "put"), "spec.renamedCommands can give another name only to"},
		"another name for a command of ours":     {commands("cluster", "x"), "spec.renamedCommands can give another name only to"},
		"another name of two words":              {commands("keys", "a b"), "spec.renamedCommands.keys"},
		"a command of two words":                 {commands("config set", ""), "spec.renamedCommands keys"},
		"hibernation without volumes":            {func(rc *redisv1.RedisCluster) { rc.Spec.Hibernate = true }, "spec.hibernate"},
		"hibernation without data": {func(rc *redisv1.RedisCluster) {
			rc.Spec.Hibernate = true
			rc.Spec.Storage = redisv1.StorageSpec{Type: redisv1.StoragePersistent, Size: new(resource.MustParse("1Gi"))}
			rc.Spec.Config = redisv1.Config{"appendonly": "no", "save": ""}
		}, "spec.hibernate"},
		"hibernation without a snapshot at the end": {func(rc *redisv1.RedisCluster) {
			rc.Spec.Hibernate = true
			rc.Spec.Storage = redisv1.StorageSpec{Type: redisv1.StoragePersistent, Size: new(resource.MustParse("1Gi"))}
			rc.Spec.Config = redisv1.Config{"appendonly": "NO", "shutdown-on-sigterm": "nosave force"}
		}, "spec.hibernate"},
		"no limit":  {func(rc *redisv1.RedisCluster) { rc.Spec.Memory.MaxmemoryPercent = new(int32(75)) }, "needs a memory limit"},
		"memory":    {func(rc *redisv1.RedisCluster) { rc.Spec.Memory.MaxmemoryPercent = new(int32(101)) }, "spec.memory.maxmemoryPercent"},
		"name":      {func(rc *redisv1.RedisCluster) { rc.Name = "demo.with.dots" }, "metadata.name"},
		"long name": {func(rc *redisv1.RedisCluster) { rc.Name = "demo" + strings.Repeat("x", 60) }, "metadata.name"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			rc := &redisv1.RedisCluster{
				ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "demo"},
				Spec: redisv1.RedisClusterSpec{PodTemplate: corev1.PodTemplateSpec{
					Spec: corev1.PodSpec{Containers: []corev1.Container{container("redis")}},
				}},
			}
			redisv1.SetDefaults(rc)
			c.edit(rc)
			_, err := env.Redis.RedisoperatorV1().RedisClusters(ns).
				Create(t.Context(), rc, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			if err == nil {
				t.Fatal("the API server accepted it")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("the answer does not name %s: %v", c.want, err)
			}
		})
	}
}

// TestVolumesCannotShrink asks the API server: a size below what volumes have is refused, and one that no volume has got
// can be taken back. Nothing but the status says what they have.
func TestVolumesCannotShrink(t *testing.T) {
	ns := env.Namespace(t, "e2e-shrink")
	clusters := env.Redis.RedisoperatorV1().RedisClusters(ns)
	rc := &redisv1.RedisCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "demo"},
		Spec: redisv1.RedisClusterSpec{
			Paused:  true,
			Storage: redisv1.StorageSpec{Type: redisv1.StoragePersistent, Size: new(resource.MustParse("2Gi"))},
			PodTemplate: corev1.PodTemplateSpec{
				Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "redis", Image: "redis:8.0"}}},
			},
		},
	}
	if _, err := clusters.Create(t.Context(), rc, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	// shrunk is what the API server says to half the size when volumes have this one. The operator writes what it sees,
	// so that the two writes are tried until none of its own was between them.
	shrunk := func(has string) error {
		t.Helper()
		for range 50 {
			live, err := clusters.Get(t.Context(), "demo", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			live.Status.VolumeSize = new(resource.MustParse(has))
			if live, err = clusters.UpdateStatus(t.Context(), live, metav1.UpdateOptions{}); err != nil {
				continue
			}
			live.Spec.Storage.Size = new(resource.MustParse("1Gi"))
			_, err = clusters.Update(t.Context(), live, metav1.UpdateOptions{DryRun: []string{metav1.DryRunAll}})
			if !apierrors.IsConflict(err) {
				return err
			}
		}
		t.Fatal("the operator was always faster")
		return nil
	}
	if err := shrunk("2Gi"); err == nil || !strings.Contains(err.Error(), "spec.storage.size") {
		t.Errorf("volumes of 2Gi, and 1Gi is asked for: %v", err)
	}
	if err := shrunk("1Gi"); err != nil {
		t.Errorf("volumes of 1Gi, and 2Gi is taken back: %v", err)
	}
}

// TestFixedFieldsAreRefused asks the API server for what cannot be changed in a cluster that there is, and for something
// that can be.
func TestFixedFieldsAreRefused(t *testing.T) {
	ns := env.Namespace(t, "e2e-fixed")
	clusters := env.Redis.RedisoperatorV1().RedisClusters(ns)
	rc := &redisv1.RedisCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "demo"},
		Spec: redisv1.RedisClusterSpec{
			Paused: true,
			PodTemplate: corev1.PodTemplateSpec{
				Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "redis", Image: "redis:8.0"}}},
			},
		},
	}
	if _, err := clusters.Create(t.Context(), rc, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for patch, want := range map[string]string{
		`{"serviceName":"other"}`:                                   "spec.serviceName cannot be changed",
		`{"auth":{"secretName":"other"}}`:                           "spec.auth.secretName cannot be changed",
		`{"storage":{"type":"PersistentVolumeClaim","size":"1Gi"}}`: "spec.storage.type cannot be changed",
		`{"storage":{"retention":"Delete"}}`:                        "spec.storage.retention cannot be changed",
		`{"update":{"maxUnavailable":2}}`:                           "spec.update.maxUnavailable must be 1",
		`{"update":{"strategy":"Supervised"}}`:                      "",
	} {
		_, err := clusters.Patch(t.Context(), "demo", types.MergePatchType, []byte(`{"spec":`+patch+`}`),
			metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		if said := fmt.Sprint(err); (err == nil) != (want == "") || !strings.Contains(said, want) {
			t.Errorf("%s: the API server says %s, want %q", patch, said, want)
		}
	}
}

// windowed has a cluster disturbed in one window only.
func windowed(schedule, duration, zone string) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) {
		rc.Spec.Maintenance.Windows = []redisv1.MaintenanceWindow{{Schedule: schedule, Duration: duration, TimeZone: zone}}
	}
}
