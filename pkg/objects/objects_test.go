package objects

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

var images = Images{Redisnode: "ghcr.io/redisoperator/redisnode:v0", PullPolicy: corev1.PullIfNotPresent}

// cluster is a RedisCluster as the API server would store it, after these edits.
func cluster(edits ...func(*redisv1.RedisCluster)) *redisv1.RedisCluster {
	rc := &redisv1.RedisCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "demo", UID: types.UID("11111111-2222-3333-4444-555555555555")},
		Spec: redisv1.RedisClusterSpec{
			PodTemplate: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: "redis", Image: "redis:8.0"}},
			}},
		},
	}
	for _, edit := range edits {
		edit(rc)
	}
	redisv1.SetDefaults(rc)
	return rc
}

func persists(p redisv1.Persistence) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) { rc.Spec.Storage.Persistence = p }
}

func persistent(rc *redisv1.RedisCluster) {
	rc.Spec.Storage.Type = redisv1.StoragePersistent
	rc.Spec.Storage.Size = new(resource.MustParse("10Gi"))
}

// template edits the pod's spec and its container redis.
func template(edit func(spec *corev1.PodSpec, redis *corev1.Container)) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) {
		edit(&rc.Spec.PodTemplate.Spec, &rc.Spec.PodTemplate.Spec.Containers[0])
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got) {
		t.Errorf("%s differs; go test ./pkg/objects -update writes it anew. Got:\n%s", path, got)
	}
}

func toYAML(t *testing.T, obj any) []byte {
	t.Helper()
	text, err := yaml.Marshal(obj)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestGolden(t *testing.T) {
	t.Parallel()
	limited := template(func(_ *corev1.PodSpec, redis *corev1.Container) {
		redis.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}
	})
	labelled := func(rc *redisv1.RedisCluster) { rc.Spec.AdditionalLabels = map[string]string{"team": "checkout"} }
	for name, obj := range map[string]any{
		"pod.yaml":            NewPod(cluster(), 0, images),
		"pod-persistent.yaml": NewPod(cluster(persistent), 7, images),
		"claim.yaml":          NewClaim(cluster(persistent, labelled), 7),
		"service.yaml":        NewService(cluster()),
		"budget.yaml":         NewPodDisruptionBudget(cluster(), 6),
		"serviceaccount.yaml": NewServiceAccount(cluster()),
		"config.yaml":         NewConfigMap(cluster(limited)),
		"config-persistent.yaml": NewConfigMap(cluster(persistent, func(rc *redisv1.RedisCluster) {
			rc.Spec.Config = map[string]redisv1.ConfigValue{
				"maxmemory-policy": "allkeys-lru", "maxmemory": "100mb", "client-output-buffer-limit": "replica 256mb 64mb 60",
			}
		})),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, name, toYAML(t, obj))
		})
	}
}

// everything is every object of a cluster but the Secrets.
func everything(rc *redisv1.RedisCluster) []metav1.Object {
	all := []metav1.Object{NewService(rc), NewConfigMap(rc), NewServiceAccount(rc), NewPod(rc, 3, images)}
	if claim := NewClaim(rc, 3); claim != nil {
		all = append(all, claim)
	}
	if budget := NewPodDisruptionBudget(rc, 0); budget != nil {
		all = append(all, budget)
	}
	return all
}

func secrets(rc *redisv1.RedisCluster, canary string) []*corev1.Secret {
	text := []byte(canary)
	passwords := map[string][]byte{}
	for _, key := range InternalKeys() {
		passwords[key] = text
	}
	return []*corev1.Secret{
		NewAuthSecret(rc, canary),
		NewInternalSecret(rc, passwords),
		NewAgentCASecret(rc, text, text),
		NewAgentTLSSecret(rc, AgentTLS{CACert: text, Cert: text, Key: text}),
	}
}

func TestEveryObjectIsLabelledAndOwned(t *testing.T) {
	t.Parallel()
	rc := cluster(persistent, func(rc *redisv1.RedisCluster) {
		rc.Spec.Storage.Retention = redisv1.RetentionDelete
		rc.Spec.AdditionalLabels = map[string]string{"team": "checkout"}
		rc.Spec.PodTemplate.Labels = map[string]string{"team": "other", redisv1.LabelCluster: "stolen", "mine": "yes"}
	})
	all := everything(rc)
	for _, s := range secrets(rc, "x") {
		all = append(all, s)
	}
	for _, obj := range all {
		if obj.GetNamespace() != "shop" {
			t.Errorf("%T: namespace %q", obj, obj.GetNamespace())
		}
		for key, want := range map[string]string{
			"app.kubernetes.io/name": "redis-cluster", "app.kubernetes.io/instance": "demo",
			"app.kubernetes.io/managed-by": "redis-operator", "app.kubernetes.io/component": "node",
			"redisoperator.io/cluster": "demo", "redisoperator.io/cluster-uid": string(rc.UID), "team": "checkout",
		} {
			if got := obj.GetLabels()[key]; got != want {
				t.Errorf("%T: label %s is %q, want %q", obj, key, got, want)
			}
		}
		if !metav1.IsControlledBy(obj, rc) {
			t.Errorf("%T is not controlled by the cluster: %v", obj, obj.GetOwnerReferences())
		}
	}
	if got := NewPod(rc, 3, images).Labels["mine"]; got != "yes" {
		t.Errorf("the template's label is lost: %q", got)
	}
}

// FAULTS 19 and DESIGN section 9: a claim that is to be kept has no owner that would take it along.
func TestClaimIsOwnedOnlyWhenItIsToBeDeleted(t *testing.T) {
	t.Parallel()
	if NewClaim(cluster(), 0) != nil {
		t.Error("an ephemeral cluster has no claims")
	}
	if owners := NewClaim(cluster(persistent), 0).OwnerReferences; len(owners) != 0 {
		t.Errorf("a retained claim is owned by %v", owners)
	}
}

// Whoever drains hosts, one after the other or all at once, takes one pod at a time: each hands its role over before it
// goes (TestFault24 of pkg/redisnode), and the chaos suite drains all hosts of the lab.
func TestFault33_OnePodGoesAtATime(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ exist, want int }{
		"while pods are created":            {exist: 2, want: 5},
		"of all pods":                       {exist: 6, want: 5},
		"of the surplus pods of a scale-in": {exist: 12, want: 11},
	} {
		budget := NewPodDisruptionBudget(cluster(), tc.exist)
		if got := budget.Spec.MinAvailable.IntValue(); got != tc.want || budget.Spec.MaxUnavailable != nil {
			t.Errorf("%s: minAvailable %d, want %d", name, got, tc.want)
		}
	}
	off := cluster(func(rc *redisv1.RedisCluster) { rc.Spec.Disruption.PodDisruptionBudget = new(false) })
	if NewPodDisruptionBudget(off, 6) != nil {
		t.Error("a budget that the spec does not want")
	}
}

// Safety rule S9.
func TestSecretsAreNowhereButInSecrets(t *testing.T) {
	t.Parallel()
	const canary = "canary-8f1d"
	rc := cluster(persistent)
	for _, secret := range secrets(rc, canary) {
		if len(secret.Data) == 0 || secret.StringData != nil {
			t.Errorf("secret %s has no data", secret.Name)
		}
		for key, value := range secret.Data {
			if string(value) != canary {
				t.Errorf("secret %s: key %s is %q", secret.Name, key, value)
			}
		}
		secret.Data = nil
		if text := string(toYAML(t, secret)); strings.Contains(text, canary) {
			t.Errorf("the canary is in the metadata:\n%s", text)
		}
	}
	pod := NewPod(rc, 0, images)
	for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		for _, env := range c.Env {
			if env.ValueFrom != nil && env.ValueFrom.SecretKeyRef != nil {
				t.Errorf("container %s takes a secret from its environment: %s", c.Name, env.Name)
			}
		}
		if len(c.EnvFrom) > 0 {
			t.Errorf("container %s: envFrom", c.Name)
		}
		for _, m := range c.VolumeMounts {
			if m.Name == volumeConfig && c.Name != containerRedisnode {
				t.Errorf("container %s mounts the secrets", c.Name)
			}
		}
	}
}

func TestObjectsAreDeterministicAndLeaveTheClusterAlone(t *testing.T) {
	t.Parallel()
	rc := cluster(persistent, withEverything)
	before := rc.DeepCopy()
	first, err := json.Marshal(everything(rc))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		again, err := json.Marshal(everything(rc.DeepCopy()))
		if err != nil {
			t.Fatal(err)
		}
		if string(again) != string(first) {
			t.Fatalf("another rendering of the same cluster:\n%s\n%s", first, again)
		}
	}
	if string(toYAML(t, before)) != string(toYAML(t, rc)) {
		t.Error("rendering changed the RedisCluster")
	}
}
