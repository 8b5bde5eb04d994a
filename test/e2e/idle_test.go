//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/test/e2e/framework"
	"github.com/redisoperator/redis-operator/test/e2e/witness"
)

// TestIdleMeansIdle watches a converged cluster for a minute (S8): no object is written, no Redis gets a
// command that writes, and the operator looks at it at most every ten seconds.
func TestIdleMeansIdle(t *testing.T) {
	ns := env.Namespace(t, "e2e-idle")
	c := env.InstallCluster(t, ns, "demo", "image.repository=redis", "image.tag=8.0", "image.pullPolicy=Never")
	c.WaitReady(t, time.Minute)
	// What is counted is the operator's, for all clusters: those of tests before are to be gone.
	framework.Eventually(t, 2*time.Minute, "no namespace is being deleted", nothingTerminates)
	// What came last (a status, an endpoint) has its echo: the minute begins when it is over.
	framework.Eventually(t, time.Minute, "nothing changes for 5 s", quietFor(ns, 5*time.Second))

	const watched = time.Minute
	writesBefore, looksBefore := apiWrites(t), looks(t)
	versionsBefore := versions(t, ns)
	commandsBefore := commands(t, c)
	time.Sleep(watched) // The time itself is what is tested.
	if writes := apiWrites(t) - writesBefore; writes != 0 {
		t.Errorf("%d writes to the API server in %s, want 0", writes, watched)
	}
	if n := looks(t) - looksBefore; n > int(watched/(10*time.Second)) {
		t.Errorf("%d looks at the cluster in %s, want one in ten seconds at most", n, watched)
	}
	if got := versions(t, ns); !slices.Equal(got, versionsBefore) {
		t.Errorf("objects have changed:\n%s\nwere\n%s", strings.Join(got, "\n"), strings.Join(versionsBefore, "\n"))
	}
	for command, n := range commands(t, c) {
		delta := n - commandsBefore[command]
		if delta != 0 && !witness.ReadOnly(command) {
			t.Errorf("redis has got %q %d times in %s", command, delta, watched)
		}
	}
	followsZones(t, c)
}

// nothingTerminates says which namespace is being deleted, if any.
func nothingTerminates(ctx context.Context) error {
	all, err := env.Kube.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, ns := range all.Items {
		if ns.DeletionTimestamp != nil {
			return fmt.Errorf("%s is", ns.Name)
		}
	}
	return nil
}

// zoneTime is how long it may take until placement knows of a zone: less than the time between two looks at a cluster at
// rest.
const zoneTime = 5 * time.Second

// followsZones moves the host of a replica into the zone of its master: the operator, which has just slept, says so at
// once, and takes it back when the zone is as it was.
func followsZones(t *testing.T, c *framework.Cluster) {
	t.Helper()
	rc, err := c.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	master := rc.Status.Nodes[slices.IndexFunc(rc.Status.Nodes,
		func(n redisv1.NodeStatus) bool { return n.Role == redisv1.RoleMaster })]
	replica := rc.Status.Nodes[slices.IndexFunc(rc.Status.Nodes,
		func(n redisv1.NodeStatus) bool { return n.MasterRef == master.ID })]
	if rc.Status.NodesPlacement != redisv1.PlacementOptimal || master.Zone == replica.Zone {
		t.Fatalf("placement %s: %s", rc.Status.NodesPlacement, rc.Status.PlacementMessage)
	}
	move := func(ctx context.Context, zone string) {
		t.Helper()
		patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, corev1.LabelTopologyZone, zone)
		if _, err := env.Kube.CoreV1().Nodes().Patch(ctx, replica.Host, types.MergePatchType,
			[]byte(patch), metav1.PatchOptions{}); err != nil {
			t.Errorf("put %s into zone %s: %v", replica.Host, zone, err)
		}
	}
	says := func(placement redisv1.NodesPlacement, words string) func(context.Context) error {
		return func(ctx context.Context) error {
			rc, err := c.Get(ctx)
			if err == nil && (rc.Status.NodesPlacement != placement || !strings.HasSuffix(rc.Status.PlacementMessage, words)) {
				return fmt.Errorf("placement %s: %s", rc.Status.NodesPlacement, rc.Status.PlacementMessage)
			}
			return err
		}
	}
	t.Cleanup(func() { move(context.WithoutCancel(t.Context()), replica.Zone) })
	start := time.Now()
	move(t.Context(), master.Zone)
	framework.Eventually(t, zoneTime, "a pair in one zone is named",
		says(redisv1.PlacementBestEffort, "are both in zone "+master.Zone))
	t.Logf("a zone is in the status %s after its label", time.Since(start).Round(10*time.Millisecond))
	move(t.Context(), replica.Zone)
	framework.Eventually(t, zoneTime, "the placement is as it was", says(redisv1.PlacementOptimal, ""))
}

// apiWrites counts the operator's writes to the API server, by its own metrics, without the renewals of its Lease.
func apiWrites(t *testing.T) int {
	t.Helper()
	total := 0
	for line := range strings.Lines(operatorMetrics(t)) {
		if !strings.HasPrefix(line, "redis_operator_api_requests_total{") ||
			strings.Contains(line, `method="GET"`) || strings.Contains(line, `resource="leases"`) {
			continue
		}
		total += int(metricValue(t, line))
	}
	return total
}

// looks counts the operator's looks at clusters.
func looks(t *testing.T) int {
	t.Helper()
	total := 0
	for line := range strings.Lines(operatorMetrics(t)) {
		if strings.HasPrefix(line, "redis_operator_reconcile_duration_seconds_count{") {
			total += int(metricValue(t, line))
		}
	}
	return total
}

func metricValue(t *testing.T, line string) float64 {
	t.Helper()
	line = strings.TrimSpace(line)
	value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// operatorMetrics reads /metrics of the operator through the API server.
func operatorMetrics(t *testing.T) string {
	t.Helper()
	pods, err := env.Kube.CoreV1().Pods(framework.OperatorNamespace).List(t.Context(),
		metav1.ListOptions{FieldSelector: "status.phase=Running"})
	if err != nil {
		t.Fatal(err)
	}
	if len(pods.Items) != 1 {
		t.Fatalf("%d operators run, want 1", len(pods.Items))
	}
	text, err := env.Kube.CoreV1().Pods(framework.OperatorNamespace).
		ProxyGet("http", pods.Items[0].Name, "8080", "/metrics", nil).DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// commands are the calls of every command on all nodes together.
func commands(t *testing.T, c *framework.Cluster) map[string]int {
	t.Helper()
	calls, err := c.Witness().Commands(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return calls
}

// versions are the resource versions of everything in the namespace that the operator writes.
func versions(t *testing.T, ns string) []string {
	t.Helper()
	out, err := env.Run(t.Context(), framework.Tool("kubectl"), "get", "--namespace", ns, "-o",
		`jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{"\n"}{end}`,
		"redisclusters,pods,services,configmaps,secrets,serviceaccounts,persistentvolumeclaims,poddisruptionbudgets,events")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(out), "\n")
}
