//go:build bench

package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/test/e2e/chaos"
	"github.com/redisoperator/redis-operator/test/e2e/framework"
	"github.com/redisoperator/redis-operator/test/e2e/witness"
)

// dayTwoBytes is the data of the cluster that is updated, configured and drained.
const dayTwoBytes = 200 << 20

// TestDayTwo measures what is done to a cluster on purpose, under writers: `make bench-daytwo`.
func TestDayTwo(t *testing.T) {
	env, err := framework.NewWithOperator()
	if err != nil {
		t.Fatal(err)
	}
	b := &breakage{env: env, rounds: faultRounds(t), load: load()}
	w := b.crowd(t, "resources.limits.memory=512Mi")
	fill(t, w)
	for _, measure := range []func(*testing.T, *breakage, *chaos.World){onePod, rollBare, rollAll, setLive, newSidecar, drainAll} {
		measure(t, b, w)
	}
	b.end(t, w)
	keep(t, "Day two", b.report())
}

// fill writes values of 10 KB until all shards together have their data.
func fill(t *testing.T, w *chaos.World) {
	t.Helper()
	client := w.Cluster.Client(t)
	value := strings.Repeat("0123456789abcdef", 640)
	for i := range dayTwoBytes / len(value) {
		if _, err := client.Do(t.Context(), fmt.Sprintf("fill:%d", i), "SET", fmt.Sprintf("fill:%d", i), value); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.AwaitWhole(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
}

// planned does something on purpose, and takes down what the writers noticed of it.
func (b *breakage) planned(t *testing.T, w *chaos.World, what string, worst time.Duration, do func() error) {
	t.Helper()
	before := w.Refusals()
	w.Plain.Gap()
	if err := do(); err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	gap := w.Plain.Gap()
	t.Logf("%s: longest gap of a writer: %s", what, gap)
	b.add(faultRow{what: what + ": longest gap of a writer", times: []time.Duration{gap.Length}, worst: worst})
	lost, err := w.Plain.LostSince(t.Context())
	waiting, alsoErr := w.Waiting.LostSince(t.Context())
	if err = errors.Join(err, alsoErr); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	refused := w.Refusals().Minus(before)
	b.note("%s: %d acknowledged writes lost, %d of those that a replica had acknowledged (asked: 0); writers were refused: %s",
		what, len(lost), len(waiting), refused)
}

// onePod is how long one pod takes from its deletion until it is in sync again.
func onePod(t *testing.T, b *breakage, w *chaos.World) {
	var times []time.Duration
	for shard := range chaos.Shards {
		victim, err := w.Victim(t.Context(), chaos.Draw{Shard: shard, Replica: true})
		if err != nil {
			t.Fatal(err)
		}
		w.Allow(time.Minute)
		begin := time.Now()
		pods := w.Cluster.Kube.CoreV1().Pods(w.Cluster.Namespace)
		if err := pods.Delete(t.Context(), victim.Pod.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // it takes a moment to be missed
		if err := w.AwaitWhole(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		times = append(times, time.Since(begin))
	}
	b.add(faultRow{what: "one replica's pod, from its deletion to in sync", times: times})
}

// rollBare has as many pods that are no part of the cluster end and start anew, one after the other: what writers notice
// of that is the machine's.
func rollBare(t *testing.T, b *breakage, w *chaos.World) {
	bare := newBarePods(t, b.env)
	bare.start(t, chaos.Pods, 1)
	b.planned(t, w, "beside the cluster, as many bare pods one after the other", 0, func() error {
		bare.roll(t, chaos.Pods)
		return nil
	})
	bare.end(t, chaos.Pods)
}

// rollAll changes what every pod is made from.
func rollAll(t *testing.T, b *breakage, w *chaos.World) {
	one := b.rows[0].mid()
	begin := time.Now()
	w.Allow(10 * time.Minute)
	b.planned(t, w, "a rolling update of all pods", 100*time.Millisecond, func() error {
		err := change(t.Context(), w, func(rc *redisv1.RedisCluster) {
			redis := &rc.Spec.PodTemplate.Spec.Containers[0]
			redis.Env = append(redis.Env, corev1.EnvVar{Name: "BENCH", Value: "updated"})
		})
		if err != nil {
			return err
		}
		framework.Eventually(t, 10*time.Minute, "every pod is new", func(ctx context.Context) error {
			return eachRedis(ctx, w, func(pod *corev1.Pod, redis *corev1.Container) error {
				if !slices.ContainsFunc(redis.Env, func(e corev1.EnvVar) bool { return e.Name == "BENCH" }) {
					return fmt.Errorf("%s is of before", pod.Name)
				}
				return nil
			})
		})
		return w.AwaitWhole(t.Context(), 2*time.Minute)
	})
	b.add(faultRow{
		what: "a rolling update of all pods: time", times: []time.Duration{time.Since(begin)}, worst: one * chaos.Pods * 3 / 2,
	})
}

// setLive changes a directive that servers can change while they run.
func setLive(t *testing.T, b *breakage, w *chaos.World) {
	var times []time.Duration
	for i := range b.rounds {
		want := fmt.Sprint(1000 + i)
		begin := time.Now()
		err := change(t.Context(), w, func(rc *redisv1.RedisCluster) {
			if rc.Spec.Config == nil {
				rc.Spec.Config = redisv1.Config{}
			}
			rc.Spec.Config["slowlog-max-len"] = redisv1.ConfigValue(want)
		})
		if err != nil {
			t.Fatal(err)
		}
		framework.Eventually(t, time.Minute, "every node has the setting", func(ctx context.Context) error {
			return eachNode(ctx, w, func(conn *witness.Redis) error {
				got, err := conn.Do(ctx, "CONFIG", "GET", "slowlog-max-len")
				if err == nil && !strings.Contains(fmt.Sprint(got), want) {
					err = fmt.Errorf("%v", got)
				}
				return err
			})
		})
		times = append(times, time.Since(begin))
	}
	b.add(faultRow{what: "a setting, from apply to all nodes", times: times, worst: 3 * time.Second})
}

// newSidecar brings the other image of redisnode, which has the same in it, and counts what of Redis was restarted.
func newSidecar(t *testing.T, b *breakage, w *chaos.World) {
	w.Allow(2 * time.Minute)
	before := map[string]string{}
	note := func(pod *corev1.Pod, _ *corev1.Container) error {
		for i := range pod.Status.ContainerStatuses {
			if c := &pod.Status.ContainerStatuses[i]; c.Name == "redis" {
				before[pod.Name] = c.ContainerID
			}
		}
		return nil
	}
	if err := eachRedis(t.Context(), w, note); err != nil {
		t.Fatal(err)
	}
	was := before
	b.planned(t, w, "a new redisnode in all pods", 0, func() error {
		if err := b.env.InstallOperator(t.Context(), "redisnode.image.tag=0.1.0"); err != nil {
			return err
		}
		framework.Eventually(t, 5*time.Minute, "every pod has the new redisnode", func(ctx context.Context) error {
			return eachRedis(ctx, w, func(pod *corev1.Pod, _ *corev1.Container) error {
				for i := range pod.Status.InitContainerStatuses {
					c := &pod.Status.InitContainerStatuses[i]
					if c.Name == "redisnode" && (!strings.HasSuffix(c.Image, ":0.1.0") || !c.Ready) {
						return fmt.Errorf("%s runs %s", pod.Name, c.Image)
					}
				}
				return nil
			})
		})
		return w.AwaitWhole(t.Context(), 2*time.Minute)
	})
	before = map[string]string{}
	if err := eachRedis(t.Context(), w, note); err != nil {
		t.Fatal(err)
	}
	restarts := 0
	for pod, id := range was {
		if before[pod] != id {
			restarts++
		}
	}
	b.note("a new redisnode in all pods: %d of %d Redis containers restarted (asked: 0)", restarts, len(was))
}

// drainAll drains one node after the other.
func drainAll(t *testing.T, b *breakage, w *chaos.World) {
	var gaps []time.Duration
	lost := 0
	for node := range chaos.Nodes {
		r := w.Suffer(t.Context(), chaos.Draw{Kind: "drain-to-the-end", Node: 1 + node})
		t.Logf("%s", r)
		for _, err := range r.Wrong {
			t.Error(err)
		}
		gaps, lost = append(gaps, r.Gap), lost+r.Lost+r.LostWaiting
	}
	b.add(faultRow{what: "the nodes drained in turn: longest gap of a writer", times: gaps, worst: 300 * time.Millisecond})
	b.note("the nodes drained in turn: %d acknowledged writes lost (asked: 0)", lost)
}

// change changes the RedisCluster as kubectl edit does, and again when its status was written meanwhile.
func change(ctx context.Context, w *chaos.World, how func(*redisv1.RedisCluster)) error {
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		rc, err := w.Cluster.Get(ctx)
		if err != nil {
			return err
		}
		how(rc)
		_, err = w.Cluster.Redis.RedisoperatorV1().RedisClusters(rc.Namespace).Update(ctx, rc, metav1.UpdateOptions{})
		return err
	})
}

// eachRedis looks at every pod and its Redis.
func eachRedis(ctx context.Context, w *chaos.World, look func(*corev1.Pod, *corev1.Container) error) error {
	pods, err := w.Cluster.Pods(ctx)
	if err != nil {
		return err
	}
	if len(pods) != chaos.Pods {
		return fmt.Errorf("%d pods", len(pods))
	}
	for i := range pods {
		if err := look(&pods[i], &pods[i].Spec.Containers[0]); err != nil {
			return err
		}
	}
	return nil
}

// eachNode asks every node what clients may not ask.
func eachNode(ctx context.Context, w *chaos.World, ask func(*witness.Redis) error) error {
	password, err := w.Cluster.InternalPassword(ctx, "operator")
	if err != nil {
		return err
	}
	pods, err := w.Cluster.Witness().Pods(ctx)
	if err != nil {
		return err
	}
	for _, pod := range pods {
		conn, err := witness.DialRedis(ctx, pod.Addr(), "operator", password)
		if err != nil {
			return err
		}
		err = ask(conn)
		conn.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", pod.Name, err)
		}
	}
	return nil
}
