package controller

import (
	"cmp"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/diff"
	"sigs.k8s.io/yaml"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/kube"
)

type edits = []func(*redisv1.RedisCluster)

// reversal is a change of a field that is taken back.
type reversal struct {
	from edits                       // what else the spec says
	to   func(*redisv1.RedisCluster) // nil: the field cannot be changed
	bad  func(*redisv1.RedisCluster) // what passes the API server, and is refused by whoever reads it; nil: there is no such value
	flaw string                      // what comes of the bad value in a pod
}

// reversals are by field of the spec, and for those of a pod by what is changed: "field: what".
var reversals = map[string]reversal{
	"numberOfMaster":             {to: masters(4)},
	"replicationFactor":          {to: replicas(2)},
	"serviceName":                {},
	"podTemplate":                {to: image("redis:8.0.2"), bad: image("redis:bad"), flaw: clustertest.Unpullable},
	"podTemplate: a crash":       {to: image("redis:8.0.2"), bad: image("redis:bad"), flaw: clustertest.Crashing},
	"podTemplate: memory":        {from: edits{limit("256Mi")}, to: limit("512Mi")},
	"podTemplate: no more limit": {to: limit("512Mi")},
	"podTemplate: environment":   {to: pod(func(p *corev1.PodSpec) { p.Containers[0].Env = []corev1.EnvVar{{Name: "A", Value: "b"}} })},
	"podTemplate: node selector": {to: pod(func(p *corev1.PodSpec) { p.NodeSelector = map[string]string{"disk": "fast"} })},
	"podTemplate: sidecar":       {to: pod(func(p *corev1.PodSpec) { p.Containers = append(p.Containers, corev1.Container{Name: "x", Image: "x"}) })},
	"podTemplate: grace period":  {to: pod(func(p *corev1.PodSpec) { p.TerminationGracePeriodSeconds = new(int64(90)) })},
	"podTemplate: spread":        {to: pod(func(p *corev1.PodSpec) { p.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{}} })},
	"podTemplate: label":         {to: func(rc *redisv1.RedisCluster) { rc.Spec.PodTemplate.Labels = map[string]string{"a": "b"} }},
	"podTemplate: annotation":    {to: func(rc *redisv1.RedisCluster) { rc.Spec.PodTemplate.Annotations = map[string]string{"a": "b"} }},
	"additionalLabels":           {to: func(rc *redisv1.RedisCluster) { rc.Spec.AdditionalLabels = map[string]string{"team": "a"} }},
	"storage.type":               {},
	"storage.adopt":              {from: edits{onVolumes}, to: func(rc *redisv1.RedisCluster) { rc.Spec.Storage.Adopt = true }},
	"storage.persistence":        {from: edits{onVolumes}, to: persists(redisv1.PersistenceRDB)},
	"storage.size":               {}, // volumes only grow
	"hibernate":                  {from: edits{onVolumes}, to: func(rc *redisv1.RedisCluster) { rc.Spec.Hibernate = true }},
	"storage.storageClassName":   {from: edits{onVolumes}, to: inClass("other"), bad: inClass(noClass)},
	"storage.retention":          {},
	"config":                     {to: configured("maxmemory-policy", "allkeys-lru"), bad: configured("maxmemory", "1gx")},
	"config: read at the start":  {to: configured("databases", "4"), bad: configured("no-such-directive", "x")},
	"modules":                    {to: loads("/a.so"), bad: loads("/none.so"), flaw: clustertest.Crashing},
	"renamedCommands": {to: func(rc *redisv1.RedisCluster) {
		rc.Spec.RenamedCommands = redisv1.RenamedCommands{"flushall": "", "keys": "k"}
	}, bad: func(rc *redisv1.RedisCluster) {
		rc.Spec.RenamedCommands = redisv1.RenamedCommands{"no-such": "", "keys": "get"}
	}, flaw: clustertest.Crashing},
	"memory.maxmemoryPercent":        {from: edits{limit("1Gi")}, to: func(rc *redisv1.RedisCluster) { rc.Spec.Memory.MaxmemoryPercent = new(int32(50)) }, bad: func(rc *redisv1.RedisCluster) { rc.Spec.Memory.MaxmemoryPercent = new(int32(100)) }},
	"placement.zoneAware":            {to: func(rc *redisv1.RedisCluster) { rc.Spec.Placement.ZoneAware = new(false) }},
	"placement.failback":             {to: func(rc *redisv1.RedisCluster) { rc.Spec.Placement.Failback = new(false) }},
	"disruption.podDisruptionBudget": {to: func(rc *redisv1.RedisCluster) { rc.Spec.Disruption.PodDisruptionBudget = new(false) }},
	"auth.secretName":                {},
	"migration.balance":              {to: func(rc *redisv1.RedisCluster) { rc.Spec.Migration.Balance = redisv1.BalanceBytes }},
	"migration.engine":               {to: func(rc *redisv1.RedisCluster) { rc.Spec.Migration.Engine = redisv1.EngineClassic }},
	"migration.profile":              {to: func(rc *redisv1.RedisCluster) { rc.Spec.Migration.Profile = redisv1.ProfileThroughput }},
	"migration.maxBatchMillis":       {to: func(rc *redisv1.RedisCluster) { rc.Spec.Migration.MaxBatchMillis = new(int32(9)) }},
	"migration.maxKeyBytes":          {to: func(rc *redisv1.RedisCluster) { rc.Spec.Migration.MaxKeyBytes = new(quantity.MustParse("1Mi")) }},
	"migration.parallelism":          {to: func(rc *redisv1.RedisCluster) { rc.Spec.Migration.Parallelism = new(int32(1)) }},
	"update.strategy":                {to: supervised},
	"update.maxUnavailable":          {}, // there is one value
	"update.redisnode":               {to: func(rc *redisv1.RedisCluster) { rc.Spec.Update.Redisnode = redisv1.RedisnodeWithPods }},
	"recovery.crash":                 {to: func(rc *redisv1.RedisCluster) { rc.Spec.Recovery.Crash = redisv1.CrashRestart }},
	"recovery.lostShard":             {to: func(rc *redisv1.RedisCluster) { rc.Spec.Recovery.LostShard = redisv1.LostShardEmpty }},
	"recovery.quorum":                {to: func(rc *redisv1.RedisCluster) { rc.Spec.Recovery.Quorum = redisv1.QuorumManual }},
	"maintenance.windows":            {to: windowed("0 13 * * *"), bad: windowed("5-3 * * * *")},
	"paused":                         {to: func(rc *redisv1.RedisCluster) { rc.Spec.Paused = true }},
}

func pod(change func(*corev1.PodSpec)) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) { change(&rc.Spec.PodTemplate.Spec) }
}

func configured(name, value string) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) {
		rc.Spec.Config = maps.Clone(rc.Spec.Config)
		if rc.Spec.Config == nil {
			rc.Spec.Config = redisv1.Config{}
		}
		rc.Spec.Config[name] = redisv1.ConfigValue(value)
	}
}

func loads(path string) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) { rc.Spec.Modules = []redisv1.Module{{Path: path}} }
}

func inClass(name string) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) { rc.Spec.Storage.StorageClassName = new(name) }
}

func onVolumes(rc *redisv1.RedisCluster) {
	rc.Spec.Storage = redisv1.StorageSpec{Type: redisv1.StoragePersistent, Size: new(quantity.MustParse("1Gi")), StorageClassName: new("one")}
}

// Acto's oracle: whatever is changed and taken back, and whatever was wrong and is put right, every object and every
// value that a server runs with are as they were.
func TestRevert(t *testing.T) {
	t.Parallel()
	for name, r := range reversals {
		if r.to == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newCluster(t, clustertest.Settings{Seed: 3}, r.from...)
			before, spec := f.footprint(), f.cluster("shop").Spec.DeepCopy()
			back := func(rc *redisv1.RedisCluster) { rc.Spec = *spec.DeepCopy() }
			f.what = "changed"
			f.change(r.to)
			f.reach(r.to)
			f.what = "taken back"
			f.change(back)
			f.converge("shop")
			f.matches(before)
			if r.bad == nil {
				return
			}
			f.what = "wrong"
			if r.flaw != "" {
				f.places[0].world.Update(r.flaw)
			}
			f.change(r.bad)
			f.endure(40)
			f.what = "put right"
			if r.flaw != "" {
				f.places[0].world.Revert()
			}
			f.change(back)
			f.converge("shop")
			f.matches(before)
		})
	}
}

// reach lets a change come to its end: a cluster that is paused or hibernates does not converge.
func (f *fixture) reach(change func(*redisv1.RedisCluster)) {
	f.t.Helper()
	rc := demo()
	change(rc)
	if rc.Spec.Paused || rc.Spec.Hibernate {
		f.endure(40)
		return
	}
	f.converge("shop")
}

// endure looks so many times, whatever comes of it.
func (f *fixture) endure(looks int) {
	f.t.Helper()
	for range looks {
		_ = f.lookFresh("shop")
		f.hold()
		f.pass()
	}
}

// footprint is all that a RedisCluster is made of, without what is different each time: where a pod runs, its UID, times.
type footprint struct {
	Pods     map[string]corev1.Pod
	Claims   map[string]corev1.PersistentVolumeClaimSpec
	Services map[string]corev1.ServiceSpec
	Configs  map[string]map[string]string
	Secrets  map[string]map[string][]byte
	Budgets  map[string]policyv1.PodDisruptionBudgetSpec
	Labels   map[string]map[string]string
	Settings map[string]map[string]string
}

func (f *fixture) footprint() footprint {
	p := footprint{Labels: map[string]map[string]string{}, Settings: f.settingsOf()}
	p.Pods = everyOne(f, &p, func(o *corev1.Pod) corev1.Pod {
		spec := *o.Spec.DeepCopy()
		spec.NodeName = ""
		return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: o.Annotations}, Spec: spec}
	})
	p.Claims = everyOne(f, &p, func(o *corev1.PersistentVolumeClaim) corev1.PersistentVolumeClaimSpec { return o.Spec })
	p.Services = everyOne(f, &p, func(o *corev1.Service) corev1.ServiceSpec { return o.Spec })
	p.Configs = everyOne(f, &p, func(o *corev1.ConfigMap) map[string]string { return o.Data })
	p.Secrets = everyOne(f, &p, func(o *corev1.Secret) map[string][]byte { return o.Data })
	p.Budgets = everyOne(f, &p, func(o *policyv1.PodDisruptionBudget) policyv1.PodDisruptionBudgetSpec { return o.Spec })
	everyOne(f, &p, func(*corev1.ServiceAccount) bool { return true })
	return p
}

// everyOne is the objects of a kind, by name. Their labels go into the footprint.
func everyOne[T kube.Object, V any](f *fixture, p *footprint, of func(T) V) map[string]V {
	found := map[string]V{}
	for _, o := range all[T](f.api) {
		name := o.GetName()
		found[name] = of(o)
		p.Labels[resourceOf(o).Resource+"/"+name] = o.GetLabels()
	}
	return found
}

// matches fails unless all is as it was.
func (f *fixture) matches(before footprint) {
	f.t.Helper()
	after := f.footprint()
	for pod, values := range after.Settings {
		for name, was := range before.Settings[pod] {
			if cluster.SameValue(name, was, values[name]) {
				values[name] = was // 100mb and 104857600
			}
		}
	}
	if !equality.Semantic.DeepEqual(before, after) {
		f.t.Errorf("%s: it is not as it was:\n%s", f.what, diff.Diff(before, after))
	}
	f.settled("shop")
}

// A field of the spec that is not among the reversals is one that nobody has tried to take back.
func TestRevert_EveryField(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../charts/redis-operator/files/crds/redisoperator.io_redisclusters.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct{ OpenAPIV3Schema schemaNode }
			}
		}
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	spec := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	fields := slices.Sorted(maps.Keys(spec.leaves("")))
	if len(fields) < 25 {
		t.Fatalf("the CRD has the fields %q", fields)
	}
	for _, field := range fields {
		if _, ok := reversals[field]; !ok {
			t.Errorf("spec.%s is not among the reversals", field)
		}
	}
	for name := range reversals {
		if field, _, _ := strings.Cut(name, ":"); !slices.Contains(fields, field) {
			t.Errorf("there is no field spec.%s", field)
		}
	}
	for name, r := range reversals {
		if r.to == nil && !strings.Contains(string(text), "spec."+name+" cannot be ") &&
			!strings.Contains(string(text), "spec."+name+" must be") {
			t.Errorf("nothing says that spec.%s cannot be changed, so that it must be tried", name)
		}
	}
}

// schemaNode is as much of a schema as tells fields from fields within.
type schemaNode struct {
	Properties map[string]schemaNode `json:"properties"`
}

// leaves are the fields that have none within. A pod counts as one: its fields are Kubernetes'.
func (s schemaNode) leaves(path string) map[string]bool {
	found := map[string]bool{}
	for name, within := range s.Properties {
		at := strings.TrimPrefix(cmp.Or(path, "")+"."+name, ".")
		if len(within.Properties) == 0 || name == "podTemplate" {
			found[at] = true
			continue
		}
		maps.Copy(found, within.leaves(at))
	}
	return found
}
