//go:build bench

// Package bench measures: the creation of a cluster on a real Kubernetes (the lab), and the moving of slots between
// servers on loopback. `make bench` writes what it measured to RESULTS.md beside this file.
package bench

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

const (
	rounds    = 5
	namespace = "bench"
)

// series are the durations of one thing that was measured.
type series struct {
	name  string
	times []time.Duration
}

func (s series) median() time.Duration {
	sorted := slices.Sorted(slices.Values(s.times))
	return sorted[len(sorted)/2]
}

func (s series) row() string {
	sorted := slices.Sorted(slices.Values(s.times))
	return fmt.Sprintf("| %s | %d | %.1f | %.1f | %.1f |", s.name, len(s.times),
		s.median().Seconds(), sorted[0].Seconds(), sorted[len(sorted)-1].Seconds())
}

// TestCreation measures from `helm install` to Ready=True, for 3+3 and 6+6, beside as many bare Redis pods
// without any operator, round by round, so that ratios are of one run.
func TestCreation(t *testing.T) {
	env, err := framework.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := env.InstallOperator(t.Context()); err != nil {
		t.Fatal(err)
	}
	env.Namespace(t, namespace)
	bare6, small := series{name: "6 bare Redis pods, ready"}, series{name: "3+3, `helm install` to Ready"}
	bare12, large := series{name: "12 bare Redis pods, ready"}, series{name: "6+6, `helm install` to Ready"}
	for range rounds {
		bare6.times = append(bare6.times, bare(t, env, 6))
		small.times = append(small.times, create(t, env, 3))
		bare12.times = append(bare12.times, bare(t, env, 12))
		large.times = append(large.times, create(t, env, 6))
	}
	write(t, env, []series{bare6, small, bare12, large})
}

func create(t *testing.T, env *framework.Env, masters int) time.Duration {
	t.Helper()
	start := time.Now()
	c := env.InstallCluster(t, namespace, "bench", "image.repository=redis", "image.tag=8.0", "image.pullPolicy=Never",
		fmt.Sprintf("numberOfMaster=%d", masters), "replicationFactor=1")
	framework.Eventually(t, 2*time.Minute, "Ready", func(ctx context.Context) error {
		ready, err := c.Condition(ctx, "Ready")
		if err == nil && ready.Status != metav1.ConditionTrue {
			err = fmt.Errorf("%s: %s", ready.Reason, ready.Message)
		}
		return err
	})
	took := time.Since(start)
	if err := c.Whole(t.Context()); err != nil {
		t.Fatalf("Ready, but not whole: %v", err)
	}
	if _, err := env.Run(t.Context(), framework.Tool("helm"), "uninstall", "bench", "--namespace", namespace); err != nil {
		t.Fatal(err)
	}
	noPods(t, env)
	return took
}

// bare starts as many pods of the same image, ready by a probe of the same period, without operator and sidecar.
func bare(t *testing.T, env *framework.Env, pods int) time.Duration {
	t.Helper()
	manifest := strings.ReplaceAll(bareManifest, "PODS", fmt.Sprint(pods))
	file := t.TempDir() + "/bare.yaml"
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := env.Run(t.Context(), framework.Tool("kubectl"), "apply", "--namespace", namespace, "-f", file); err != nil {
		t.Fatal(err)
	}
	framework.Eventually(t, 2*time.Minute, "bare pods are ready", func(ctx context.Context) error {
		set, err := env.Kube.AppsV1().StatefulSets(namespace).Get(ctx, "bare", metav1.GetOptions{})
		if err == nil && int(set.Status.ReadyReplicas) != pods {
			err = fmt.Errorf("%d of %d are ready", set.Status.ReadyReplicas, pods)
		}
		return err
	})
	took := time.Since(start)
	if _, err := env.Run(t.Context(), framework.Tool("kubectl"), "delete", "--namespace", namespace, "-f", file); err != nil {
		t.Fatal(err)
	}
	noPods(t, env)
	return took
}

func noPods(t *testing.T, env *framework.Env) {
	t.Helper()
	framework.Eventually(t, 2*time.Minute, "no pod is left", func(ctx context.Context) error {
		list, err := env.Kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
		if err == nil && len(list.Items) > 0 {
			err = fmt.Errorf("%d pods are left", len(list.Items))
		}
		return err
	})
}

const bareManifest = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: bare}
spec:
  serviceName: bare
  replicas: PODS
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: bare}}
  template:
    metadata: {labels: {app: bare}}
    spec:
      terminationGracePeriodSeconds: 1
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, runAsUser: 999, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: redis
        image: redis:8.0
        imagePullPolicy: Never
        command: [redis-server, --cluster-enabled, "yes", --dir, /data, --save, "", --protected-mode, "no"]
        readinessProbe: {tcpSocket: {port: 6379}, periodSeconds: 1}
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, emptyDir: {}}]
`

func write(t *testing.T, env *framework.Env, all []series) {
	t.Helper()
	nodes, err := env.Kube.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d cores, Kubernetes %s with %d node(s), redis:8.0, %d rounds, seconds.\n\n"+
		"| what | n | median | best | worst |\n|---|---|---|---|---|\n",
		time.Now().UTC().Format("2006-01-02"), runtime.NumCPU(), nodes.Items[0].Status.NodeInfo.KubeletVersion,
		len(nodes.Items), rounds)
	for _, s := range all {
		fmt.Fprintln(&b, s.row())
	}
	ratio := func(a, b series) float64 { return a.median().Seconds() / b.median().Seconds() }
	fmt.Fprintf(&b, "\n3+3 takes %.2f × six bare pods; 6+6 takes %.2f × 3+3, and %.2f × twelve bare pods.\n",
		ratio(all[1], all[0]), ratio(all[3], all[1]), ratio(all[3], all[2]))
	keep(t, "From `helm install` to Ready", b.String())
}
