//go:build bench

package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/redisoperator/redis-operator/test/e2e/chaos"
	"github.com/redisoperator/redis-operator/test/e2e/framework"
	"github.com/redisoperator/redis-operator/test/e2e/witness"
)

const nodeTimeout = 15 * time.Second

// lastStart is when the last Redis of the cluster was started, by the first line of its own log: the container is older,
// since the gate has held it.
func lastStart(t *testing.T, w *chaos.World) time.Time {
	t.Helper()
	var last time.Time
	pods, err := w.Cluster.Pods(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range pods {
		log, err := w.Cluster.Kube.CoreV1().Pods(pod.Namespace).
			GetLogs(pod.Name, &corev1.PodLogOptions{Container: "redis", Timestamps: true}).DoRaw(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(log)) {
			stamp, text, _ := strings.Cut(line, " ")
			if !strings.Contains(text, "is starting oO0") {
				continue
			}
			at, err := time.Parse(time.RFC3339Nano, stamp)
			if err != nil {
				t.Fatalf("log of %s: %v", pod.Name, err)
			}
			if at.After(last) {
				last = at
			}
		}
	}
	return last
}

// off takes the power from a node, and gives it back at the end.
func off(t *testing.T, w *chaos.World, host string) (on func()) {
	t.Helper()
	if err := w.Break(t.Context(), "off", host); err != nil {
		t.Fatal(err)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
		defer cancel()
		if err := w.Break(ctx, "on", host); err != nil {
			t.Error(err)
		}
		if err := errors.Join(w.AwaitHost(ctx, host, time.Minute), w.AwaitWhole(ctx, time.Minute)); err != nil {
			t.Error(err)
		}
		t.Logf("%s is back", host)
	}
}

// power takes the power from the node of a primary, until writes are accepted again. The last time it declares the node
// gone, as a person does who knows, and waits until all pods are elsewhere: they do not come back.
func power(t *testing.T, b *breakage) {
	w := b.crowd(t)
	var gaps, elsewhere []time.Duration
	for i := range b.rounds {
		apart(t, w)
		victim, err := w.Victim(t.Context(), chaos.Draw{Shard: i % chaos.Shards})
		if err != nil {
			t.Fatal(err)
		}
		host := victim.Pod.Host
		w.Allow(2 * time.Minute)
		w.Plain.Gap()
		begin := time.Now()
		on := off(t, w, host)
		missed(t, w)
		framework.Eventually(t, time.Minute, "every shard takes writes", w.Served)
		gaps = append(gaps, w.Plain.Gap().Length)
		t.Logf("power %d: %s off: longest gap %s, writes after %s", i+1, host, gaps[i], time.Since(begin))
		if i == b.rounds-1 {
			elsewhere = append(elsewhere, b.declareGone(t, w, host))
		}
		on()
	}
	b.add(faultRow{
		what: "the node of a primary powered off: longest gap of a writer", times: gaps, worst: nodeTimeout + 3*time.Second,
	})
	b.add(faultRow{what: "the node declared gone (taint out-of-service): whole again on the others", times: elsewhere})
	b.end(t, w)
}

// missed waits until a writer has noticed that a node is off. It takes a moment, and longer to be replaced.
func missed(t *testing.T, w *chaos.World) {
	t.Helper()
	framework.Eventually(t, nodeTimeout, "a writer misses the node", func(ctx context.Context) error {
		if w.Served(ctx) == nil {
			return errors.New("every shard takes writes")
		}
		return nil
	})
}

// apart waits until every primary is back on a node of its own: two of three on one are another case, majority's.
func apart(t *testing.T, w *chaos.World) {
	t.Helper()
	framework.Eventually(t, time.Minute, "every primary is on a node of its own", func(context.Context) error {
		hosts := map[string]string{}
		for _, s := range w.Observer.Last().Seen {
			if s.Self().SlotCount() == 0 {
				continue
			}
			if other, taken := hosts[s.Pod.Host]; taken {
				return fmt.Errorf("%s and %s are both on %s", other, s.Pod.Name, s.Pod.Host)
			}
			hosts[s.Pod.Host] = s.Pod.Name
		}
		return nil
	})
}

// declareGone taints a node that is switched off, and says how long it took until all pods are elsewhere.
func (b *breakage) declareGone(t *testing.T, w *chaos.World, host string) time.Duration {
	t.Helper()
	const taint = "node.kubernetes.io/out-of-service"
	kubectl := framework.Tool("kubectl")
	begin := time.Now()
	if _, err := b.env.Run(t.Context(), kubectl, "taint", "node", host, taint+"=nodeshutdown:NoExecute"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := b.env.Run(t.Context(), kubectl, "taint", "node", host, taint+"-"); err != nil {
			t.Error(err)
		}
	}()
	if err := w.AwaitWhole(t.Context(), 2*time.Minute); err != nil {
		t.Errorf("%s was declared gone: %v", host, err)
	}
	return time.Since(begin)
}

// majority gathers two primaries of three on one node, and takes its power: the third cannot elect anybody.
func majority(t *testing.T, b *breakage) {
	w := b.crowd(t)
	var times []time.Duration
	for i := range b.rounds {
		host := gather(t, w)
		w.Allow(3 * time.Minute)
		begin := time.Now()
		on := off(t, w, host)
		missed(t, w)
		err := eventually(t.Context(), 2*time.Minute, w.Served)
		times = append(times, time.Since(begin))
		t.Logf("majority %d: %s off with two primaries of three: served after %s", i+1, host, times[i])
		if err != nil {
			t.Errorf("not served by itself: %v", err)
		}
		on()
	}
	b.add(faultRow{
		what:  "two of three primaries powered off at once, a synced replica of each elsewhere: all slots served",
		times: times, worst: time.Minute,
	})
	b.end(t, w)
}

// gather makes a replica the primary that is on the node of another shard's primary, and names that node.
func gather(t *testing.T, w *chaos.World) string {
	t.Helper()
	var to witness.Seen
	framework.Eventually(t, time.Minute, "a replica beside another shard's primary", func(context.Context) error {
		look := w.Observer.Last()
		for _, s := range look.Seen {
			for _, p := range look.Seen {
				if s.Self().Primary != "" && p.Self().SlotCount() > 0 && p.Pod.Host == s.Pod.Host && s.LinkUp {
					to = s
					return nil
				}
			}
		}
		return errors.New("there is none")
	})
	password, err := w.Cluster.InternalPassword(t.Context(), "operator")
	if err != nil {
		t.Fatal(err)
	}
	r, err := witness.DialRedis(t.Context(), to.Pod.Addr(), "operator", password)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Do(t.Context(), "CLUSTER", "FAILOVER"); err != nil {
		t.Fatal(err)
	}
	framework.Eventually(t, 10*time.Second, to.Pod.Name+" is the primary", func(context.Context) error {
		for _, s := range w.Observer.Last().Seen {
			if s.Pod.Name == to.Pod.Name && s.Self().SlotCount() > 0 {
				return nil
			}
		}
		return fmt.Errorf("%s is a replica", to.Pod.Name)
	})
	return to.Pod.Host
}

// eventually is framework.Eventually for what may fail and is to be reported.
func eventually(ctx context.Context, within time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", within, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
