//go:build e2e

package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

// reverted is a field of the spec, what it is changed to, and what is to be seen of that before it is taken back.
type reverted struct {
	field string
	value any
	seen  sight
}

// sight says when a change is seen. Without one, when anything of the cluster is another than before: pods when the
// first of them is.
type sight func(c *framework.Cluster) func(context.Context) error

// reverts are in the order in which they are tried.
var reverts = []reverted{
	{field: "additionalLabels", value: map[string]string{"team": "a"}},
	{field: "disruption.podDisruptionBudget", value: false},
	{field: "memory.maxmemoryPercent", value: 50},
	{field: "config", value: map[string]string{"notify-keyspace-events": "KEA"}},
	{field: "config", value: map[string]string{"maxmemory-policy": "no-such-policy"}, seen: refused},
	{field: "config", value: map[string]string{"no-such-directive": "1"}, seen: refused},
	{field: "config", value: map[string]string{"databases": "4"}},
	{field: "storage.persistence", value: "AOF"},
	{field: "storage.adopt", value: true, seen: taken},
	{field: "placement.zoneAware", value: false, seen: taken},
	{field: "placement.failback", value: false, seen: taken},
	{field: "migration.balance", value: "Bytes", seen: taken},
	{field: "migration.engine", value: "Classic", seen: taken},
	{field: "migration.profile", value: "Throughput", seen: taken},
	{field: "migration.maxBatchMillis", value: 9, seen: taken},
	{field: "migration.maxKeyBytes", value: "1Mi", seen: taken},
	{field: "migration.parallelism", value: 1, seen: taken},
	{field: "update.strategy", value: "Supervised", seen: taken},
	{field: "update.redisnode", value: "WithPods", seen: taken},
	{field: "recovery.crash", value: "Restart", seen: taken},
	{field: "recovery.lostShard", value: "Empty", seen: taken},
	{field: "recovery.quorum", value: "Manual", seen: taken},
	{field: "maintenance.windows", value: []map[string]string{{"schedule": "0 13 * * *", "duration": "1h"}}, seen: taken},
	{field: "paused", value: true, seen: taken},
	{field: "podTemplate", value: map[string]any{"metadata": map[string]any{"annotations": map[string]string{"a": "b"}}}},
	{field: "modules", value: []map[string]string{{"path": "/none.so"}}, seen: failing},
	{field: "renamedCommands", value: map[string]string{"flushall": ""}},
	{field: "replicationFactor", value: 2},
	{field: "numberOfMaster", value: 4},
}

// revertedElsewhere says of other fields why they are not among these.
var revertedElsewhere = map[string]string{
	"auth.secretName":          "cannot be changed",
	"hibernate":                "needs volumes: the guide maintenance.md is run",
	"serviceName":              "cannot be changed",
	"storage.retention":        "cannot be changed",
	"storage.size":             "only grows",
	"storage.storageClassName": "needs volumes: TestStorageClass",
	"storage.type":             "cannot be changed",
	"update.maxUnavailable":    "has one value",
}

// TestRevert changes every field of the spec that can be changed and takes it back (Acto's oracle): every object, and
// every value that a server runs with, is as it was. Some values are wrong: with those as well.
func TestRevert(t *testing.T) {
	ns := env.Namespace(t, "e2e-revert")
	c := env.InstallCluster(t, ns, "demo", "image.tag=8.0", "image.pullPolicy=Never", "resources.limits.memory=256Mi")
	everyFieldIsTried(t, c)
	c.WaitReady(t, 2*time.Minute)
	// A new node has a shorter one until its agent has seen that it is in sync.
	framework.Eventually(t, time.Minute, "all nodes have their node-timeout", func(ctx context.Context) error {
		return everyNodeHas(ctx, c, map[string]string{"cluster-node-timeout": "15000"})
	})
	before, err := footprint(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	rc, err := c.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	differs := func(c *framework.Cluster) func(context.Context) error {
		return func(ctx context.Context) error {
			now, failed := footprint(ctx, c)
			if failed == nil && len(differences(before, now)) == 0 {
				return fmt.Errorf("all is as it was")
			}
			return failed
		}
	}
	for _, change := range reverts {
		what := fmt.Sprintf("spec.%s: %v", change.field, change.value)
		start := time.Now()
		if _, err = env.Redis.RedisoperatorV1().RedisClusters(ns).Patch(t.Context(), "demo", types.MergePatchType,
			change.patch(t), metav1.PatchOptions{}); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		seen := change.seen
		if seen == nil {
			seen = differs
		}
		framework.Eventually(t, time.Minute, what+" is seen", seen(c))
		if err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
			live, failed := c.Get(t.Context())
			if failed != nil {
				return failed
			}
			rc.Spec.DeepCopyInto(&live.Spec)
			_, failed = env.Redis.RedisoperatorV1().RedisClusters(ns).Update(t.Context(), live, metav1.UpdateOptions{})
			return failed
		}); err != nil {
			t.Fatal(err)
		}
		framework.Eventually(t, 2*time.Minute, "without "+what+" all is as it was", func(ctx context.Context) error {
			if failed := errors.Join(c.IsReady(ctx), taken(c)(ctx)); failed != nil {
				return failed
			}
			now, failed := footprint(ctx, c)
			if found := differences(before, now); failed == nil && len(found) > 0 {
				return fmt.Errorf("%s", strings.Join(found, "; "))
			}
			return failed
		})
		t.Logf("%s: there and back in %s", what, time.Since(start).Round(100*time.Millisecond))
	}
}

// patch is the change as a merge patch of the object.
func (r reverted) patch(t *testing.T) []byte {
	t.Helper()
	value := r.value
	names := strings.Split("spec."+r.field, ".")
	for _, name := range slices.Backward(names) {
		value = map[string]any{name: value}
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// taken is for fields of which nothing is to be seen at rest: the operator has read them.
func taken(c *framework.Cluster) func(context.Context) error {
	return func(ctx context.Context) error {
		rc, err := c.Get(ctx)
		if err == nil && rc.Status.ObservedGeneration != rc.Generation {
			err = fmt.Errorf("the status is of generation %d, not %d", rc.Status.ObservedGeneration, rc.Generation)
		}
		return err
	}
}

// refused is for settings that no server takes.
func refused(c *framework.Cluster) func(context.Context) error {
	return stopsAt(c, redisv1.ConditionDegraded, redisv1.ReasonSettingRefused, "")
}

// failing is for what no pod starts with.
func failing(c *framework.Cluster) func(context.Context) error {
	return stopsAt(c, redisv1.ConditionDegraded, redisv1.ReasonPodFailing, "")
}

// everyFieldIsTried asks the API server which fields there are.
func everyFieldIsTried(t *testing.T, c *framework.Cluster) {
	t.Helper()
	text, err := c.Run(t.Context(), framework.Tool("kubectl"), "get", "crd", "redisclusters.redisoperator.io",
		"-o", "jsonpath={.spec.versions[0].schema.openAPIV3Schema.properties.spec}")
	if err != nil {
		t.Fatal(err)
	}
	var spec schemaNode
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		t.Fatal(err)
	}
	known := maps.Clone(revertedElsewhere)
	for _, r := range reverts {
		known[r.field] = ""
	}
	fields := spec.leaves("")
	if want := slices.Sorted(maps.Keys(known)); !slices.Equal(fields, want) {
		t.Errorf("the spec has the fields\n%q\nand tried or excused are\n%q", fields, want)
	}
}

// schemaNode is as much of a schema as tells fields from fields within.
type schemaNode struct {
	Properties map[string]schemaNode `json:"properties"`
}

// leaves are the fields that have none within, sorted. A pod counts as one: its fields are Kubernetes'.
func (s schemaNode) leaves(path string) []string {
	var found []string
	for name, within := range s.Properties {
		if len(within.Properties) == 0 || name == "podTemplate" {
			found = append(found, path+name)
			continue
		}
		found = append(found, within.leaves(path+name+".")...)
	}
	slices.Sort(found)
	return found
}

// footprint is all that a cluster is made of, by name, without what is different each time: where a pod runs, its
// address, UIDs and versions. Of what is secret it has the digest.
func footprint(ctx context.Context, c *framework.Cluster) (map[string]string, error) {
	found := map[string]string{}
	note := func(kind string, meta metav1.ObjectMeta, body any) {
		text, err := json.Marshal(body)
		if err != nil {
			panic(err) // of types of Kubernetes
		}
		found[kind+" "+meta.Name] = fmt.Sprintf("%v %s", meta.Labels, text)
	}
	ours := metav1.ListOptions{LabelSelector: redisv1.LabelCluster + "=" + c.Name}
	core := c.Kube.CoreV1()
	pods, err := core.Pods(c.Namespace).List(ctx, ours)
	if err != nil {
		return nil, err
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		pod.Spec.NodeName = ""
		note("pod", pod.ObjectMeta, pod.Spec)
		note("annotations of pod", pod.ObjectMeta, pod.Annotations)
	}
	services, err := core.Services(c.Namespace).List(ctx, ours)
	if err != nil {
		return nil, err
	}
	for i := range services.Items {
		note("service", services.Items[i].ObjectMeta, services.Items[i].Spec)
	}
	configs, err := core.ConfigMaps(c.Namespace).List(ctx, ours)
	if err != nil {
		return nil, err
	}
	for i := range configs.Items {
		note("configmap", configs.Items[i].ObjectMeta, configs.Items[i].Data)
	}
	secrets, err := core.Secrets(c.Namespace).List(ctx, ours)
	if err != nil {
		return nil, err
	}
	for i := range secrets.Items {
		note("secret", secrets.Items[i].ObjectMeta, digest(fmt.Sprint(secrets.Items[i].Data)))
	}
	budgets, err := c.Kube.PolicyV1().PodDisruptionBudgets(c.Namespace).List(ctx, ours)
	if err != nil {
		return nil, err
	}
	for i := range budgets.Items {
		note("poddisruptionbudget", budgets.Items[i].ObjectMeta, budgets.Items[i].Spec)
	}
	return found, noteSettings(ctx, c, found)
}

// noteSettings adds what each server runs with.
func noteSettings(ctx context.Context, c *framework.Cluster, found map[string]string) error {
	pods, err := c.Witness().Pods(ctx)
	if err != nil {
		return err
	}
	settings, err := c.Witness().Settings(ctx)
	if err != nil {
		return err
	}
	for _, pod := range pods {
		for name, value := range settings[pod.Name] {
			if name == "replicaof" || name == "slaveof" {
				continue // who follows whom is no setting here
			}
			if strings.Contains(name, "auth") || strings.Contains(name, "pass") {
				value = digest(value)
			}
			found["setting "+pod.Name+" "+name] = strings.ReplaceAll(value, pod.IP, "its address")
		}
	}
	return nil
}

func digest(secret string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(secret))) }

// differences are the things that have changed, come or gone, sorted.
func differences(before, now map[string]string) []string {
	var found []string
	for name, was := range before {
		if is := now[name]; is != was {
			found = append(found, fmt.Sprintf("%s is %q, was %q", name, is, was))
		}
	}
	for name, is := range now {
		if _, known := before[name]; !known {
			found = append(found, fmt.Sprintf("%s is new: %q", name, is))
		}
	}
	slices.Sort(found)
	return found
}
