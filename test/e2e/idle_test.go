//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

// TestIdleMeansIdle watches a converged cluster for a minute (S8): no object is written, no Redis gets a
// command that writes, and the operator looks at it at most every ten seconds.
func TestIdleMeansIdle(t *testing.T) {
	ns := env.Namespace(t, "e2e-idle")
	c := env.InstallCluster(t, ns, "demo", "image.repository=redis", "image.tag=8.0", "image.pullPolicy=Never")
	c.WaitReady(t, time.Minute)
	// What came last (a status, an endpoint) has its echo: the minute begins when it is over.
	framework.Eventually(t, time.Minute, "nothing changes for 5 s", quietFor(ns, 5*time.Second))

	const watched = time.Minute
	writesBefore := apiWrites(t)
	versionsBefore := versions(t, ns)
	commandsBefore := commands(t, c)
	time.Sleep(watched) // The time itself is what is tested.
	if writes := apiWrites(t) - writesBefore; writes != 0 {
		t.Errorf("%d writes to the API server in %s, want 0", writes, watched)
	}
	if got := versions(t, ns); !slices.Equal(got, versionsBefore) {
		t.Errorf("objects have changed:\n%s\nwere\n%s", strings.Join(got, "\n"), strings.Join(versionsBefore, "\n"))
	}
	for command, n := range commands(t, c) {
		delta := n - commandsBefore[command]
		if delta != 0 && !slices.Contains(readOnly, command) {
			t.Errorf("redis has got %q %d times in %s", command, delta, watched)
		}
	}
}

// readOnly are the commands that a converged cluster may get: looks, and what replication sends by itself.
var readOnly = []string{
	"auth", "hello", "ping", "info", "cluster|nodes", "cluster|info", "config|get", "replconf", "client|setinfo", "quit",
}

// apiWrites counts the writes of the kinds that the operator writes, by the API server's own metrics.
func apiWrites(t *testing.T) int {
	t.Helper()
	text, err := env.Kube.(*kubernetes.Clientset).RESTClient().Get().AbsPath("/metrics").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if !strings.HasPrefix(line, "apiserver_request_total{") || !ours(line) {
			continue
		}
		value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			t.Fatal(err)
		}
		total += int(value)
	}
	return total
}

func ours(line string) bool {
	kinds := []string{
		"redisclusters", "services", "configmaps", "secrets", "serviceaccounts", "persistentvolumeclaims",
		"poddisruptionbudgets", "pods", "events",
	}
	write := slices.ContainsFunc([]string{"POST", "PUT", "PATCH", "DELETE"}, func(verb string) bool {
		return strings.Contains(line, `verb="`+verb+`"`)
	})
	return write && slices.ContainsFunc(kinds, func(kind string) bool {
		return strings.Contains(line, `resource="`+kind+`"`)
	})
}

// commands are the calls of every command on all nodes together.
func commands(t *testing.T, c *framework.Cluster) map[string]int {
	t.Helper()
	password, err := c.InternalPassword(t.Context(), "operator")
	if err != nil {
		t.Fatal(err)
	}
	pods, err := c.Pods(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]int{}
	for _, pod := range pods {
		r, err := framework.DialRedis(t.Context(), net.JoinHostPort(pod.Status.PodIP, "6379"), "operator", password)
		if err != nil {
			t.Fatal(err)
		}
		reply, err := r.Do(t.Context(), "INFO", "commandstats")
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(fmt.Sprint(reply)) {
			var n int
			name, rest, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
			if !ok {
				continue
			}
			if _, err := fmt.Sscanf(rest, "%d", &n); err != nil {
				t.Fatal(err)
			}
			calls[name] += n
		}
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
