//go:build e2e

package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
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

// TestRevert changes fields of each kind and takes them back (Acto's oracle): every object, and every value that a server
// runs with, is as it was. The controller's own test does so with every field; here it is real servers and kubelets.
func TestRevert(t *testing.T) {
	ns := env.Namespace(t, "e2e-revert")
	c := env.InstallCluster(t, ns, "demo", "image.tag=8.0", "image.pullPolicy=Never", "resources.limits.memory=256Mi")
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
	for _, change := range []struct{ what, patch string }{
		{"objects", `{"additionalLabels":{"team":"a"},"disruption":{"podDisruptionBudget":false}}`},
		{"settings", `{"memory":{"maxmemoryPercent":50},"config":{"notify-keyspace-events":"KEA"}}`},
		{"pods", `{"podTemplate":{"metadata":{"annotations":{"example":"1"}}}}`},
	} {
		start := time.Now()
		if _, err = env.Redis.RedisoperatorV1().RedisClusters(ns).Patch(t.Context(), "demo", types.MergePatchType,
			[]byte(`{"spec":`+change.patch+`}`), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		// As soon as it is seen it is taken back: pods when the first of them is another.
		framework.Eventually(t, time.Minute, "a change of "+change.what+" is seen", func(ctx context.Context) error {
			now, failed := footprint(ctx, c)
			if failed == nil && len(differences(before, now)) == 0 {
				return fmt.Errorf("all is as it was")
			}
			return failed
		})
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
		framework.Eventually(t, 2*time.Minute, "without the change of "+change.what+" all is as it was",
			func(ctx context.Context) error {
				if err := c.IsReady(ctx); err != nil {
					return err
				}
				now, err := footprint(ctx, c)
				if found := differences(before, now); err == nil && len(found) > 0 {
					return fmt.Errorf("%s", strings.Join(found, "; "))
				}
				return err
			})
		t.Logf("%s: there and back in %s", change.what, time.Since(start).Round(100*time.Millisecond))
	}
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
