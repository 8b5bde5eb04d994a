//go:build bench

package bench

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/redisoperator/redis-operator/test/e2e/chaos"
	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

// faultRounds is how often each fault is made: $FAULT_ROUNDS, or as often as is asked.
func faultRounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("FAULT_ROUNDS")
	if text == "" {
		return 10
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("FAULT_ROUNDS=%q is no number of rounds", text)
	}
	return n
}

// TestFaults measures what breaks in a lab of three nodes, and what Redis does by itself on loopback in the same run.
// `make bench-faults`; FAULTS=killed,power for a part.
func TestFaults(t *testing.T) {
	env, err := framework.NewWithOperator()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range faultParts() {
		if !wantedPart("FAULTS", part.name) {
			continue
		}
		t.Run(part.name, func(t *testing.T) {
			b := &breakage{env: env, lab: sharedLab, rounds: faultRounds(t), load: load()}
			for _, measure := range part.measure {
				measure(t, b)
			}
			keep(t, "Faults: "+part.title, b.report())
		})
	}
}

// wantedPart says whether a variable of the environment names a part, or none.
func wantedPart(variable, name string) bool {
	names := os.Getenv(variable)
	return names == "" || slices.Contains(strings.Split(names, ","), name)
}

// faultPart is a section of the results.
type faultPart struct {
	name, title string
	measure     []func(*testing.T, *breakage)
}

func faultParts() []faultPart {
	type measures = []func(*testing.T, *breakage)
	return []faultPart{
		{"killed", "a process, a pod", measures{redisAlone, withoutVolumes}},
		{"restarted", "all pods at once", measures{withVolumes}},
		{"lost", "all pods at once, without volumes", measures{lostForGood}},
		{"power", "a node", measures{power}},
		{"majority", "most primaries at once", measures{majority}},
	}
}

// breakage is what was measured so far.
type breakage struct {
	env    *framework.Env
	lab    string // who shares the processors
	rounds int
	load   string
	rows   []faultRow
	notes  []string
}

// crowd is a cluster that is hit, with writers of 500 writes a second on every shard: gaps are seen to 2 ms.
func (b *breakage) crowd(t *testing.T, set ...string) *chaos.World {
	t.Helper()
	ns := b.env.Namespace(t, "bench-faults")
	c := b.env.InstallCluster(t, ns, "demo",
		append(set, "image.repository=redis", "image.tag=8.0", "image.pullPolicy=Never")...)
	c.WaitReady(t, 2*time.Minute)
	w, err := chaos.New(t.Context(), c, chaos.Load{Plain: 500, Waiting: 50}, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.AwaitWhole(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	return w
}

var volumes = []string{"storage.type=PersistentVolumeClaim", "storage.size=64Mi", "storage.retention=Delete"}

// series suffers the same fault on one shard after the other, and keeps the gaps.
func (b *breakage) series(t *testing.T, w *chaos.World, d chaos.Draw) (gaps []time.Duration, lost, lostWaiting int) {
	t.Helper()
	for i := range b.rounds {
		d.Shard = i % chaos.Shards
		r := w.Suffer(t.Context(), d)
		t.Logf("%s %d: %s", d.Kind, i+1, r)
		for _, err := range r.Wrong {
			t.Error(err)
		}
		gaps = append(gaps, r.Gap)
		lost += r.Lost
		lostWaiting += r.LostWaiting
	}
	return gaps, lost, lostWaiting
}

// withoutVolumes kills, and deletes, the primaries of a cluster whose pods take their data with them.
func withoutVolumes(t *testing.T, b *breakage) {
	w := b.crowd(t)
	gaps, lost, waiting := b.series(t, w, chaos.Draw{Kind: "kill-redis"})
	b.add(faultRow{
		what: "a primary's redis killed (-9), no volume: longest gap of a writer", times: gaps,
		median: 100 * time.Millisecond, worst: 500 * time.Millisecond,
	})
	b.note("killed: %d acknowledged writes lost in %d kills, %d of those that a replica had acknowledged", lost, b.rounds, waiting)
	gaps, lost, waiting = b.series(t, w, chaos.Draw{Kind: "delete-pod"})
	b.add(faultRow{
		what: "a primary's pod deleted, no volume: longest gap of a writer", times: gaps, median: 100 * time.Millisecond,
	})
	b.note("deleted: %d acknowledged writes lost in %d deletions (asked: 0), %d of those that a replica had acknowledged",
		lost, b.rounds, waiting)
	b.end(t, w)
}

// withVolumes deletes all pods at once, and counts from the moment that the last Redis was started.
func withVolumes(t *testing.T, b *breakage) {
	w := b.crowd(t, volumes...)
	const keys = 20000
	w.Cluster.Write(t, keys)
	var afterStart, afterDelete []time.Duration
	for i := range b.rounds {
		begin := time.Now()
		r := w.Suffer(t.Context(), chaos.Draw{Kind: "delete-all-pods"})
		t.Logf("delete-all-pods %d: %s", i+1, r)
		for _, err := range r.Wrong {
			t.Error(err)
		}
		started := lastStart(t, w)
		whole := w.Observer.LinkedSince()
		afterStart = append(afterStart, whole.Sub(started))
		afterDelete = append(afterDelete, whole.Sub(begin))
		if err := w.Cluster.Verify(t.Context(), w.Cluster.Client(t), keys); err != nil {
			t.Errorf("keys after all pods were deleted: %v", err)
		}
	}
	b.add(faultRow{
		what: "all pods deleted at once, volumes kept: whole after the last Redis has started", times: afterStart,
		worst: 5 * time.Second,
	})
	b.add(faultRow{what: "the same, after the deletion", times: afterDelete})
	b.note("all pods deleted: %d keys read back each time", keys)
	b.end(t, w)
}

// lostForGood deletes all pods of a cluster that keeps nothing.
func lostForGood(t *testing.T, b *breakage) {
	ns := b.env.Namespace(t, "bench-lost")
	c := b.env.InstallCluster(t, ns, "demo", "image.repository=redis", "image.tag=8.0", "image.pullPolicy=Never")
	c.WaitReady(t, 2*time.Minute)
	var times []time.Duration
	told := 0
	for range b.rounds {
		c.Write(t, 1000)
		begin := time.Now()
		loseAll(t, c)
		times = append(times, time.Since(begin))
		if lossTold(t, c, begin) {
			told++
		}
	}
	b.add(faultRow{what: "all pods deleted at once, no volumes: the same shards again, empty", times: times})
	b.note("without volumes: an event DataLost told of %d of %d", told, b.rounds)
}

// loseAll deletes all pods at once, and waits until others are a whole cluster.
func loseAll(t *testing.T, c *framework.Cluster) {
	t.Helper()
	pods := c.Kube.CoreV1().Pods(c.Namespace)
	if err := pods.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	framework.Eventually(t, 2*time.Minute, "the cluster is there again", func(ctx context.Context) error {
		look, err := c.Witness().Look(ctx)
		if err == nil {
			err = look.Whole(chaos.Pods)
		}
		if err == nil {
			err = c.IsReady(ctx)
		}
		return err
	})
}

// lossTold says that an event has told of lost data since.
func lossTold(t *testing.T, c *framework.Cluster, since time.Time) bool {
	t.Helper()
	events, err := c.Kube.CoreV1().Events(c.Namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
		return e.Reason == "DataLost" && e.LastTimestamp.After(since.Add(-time.Second)) // it has no fractions
	})
}

// end checks what can only be checked at the end.
func (b *breakage) end(t *testing.T, w *chaos.World) {
	t.Helper()
	var s chaos.Summary
	w.Finish(t.Context(), &s)
	t.Logf("\n%s", &s)
	if err := s.Err(); err != nil {
		t.Error(err)
	}
}

func (b *breakage) note(format string, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}

func (b *breakage) add(r faultRow) { b.rows = append(b.rows, r) }
