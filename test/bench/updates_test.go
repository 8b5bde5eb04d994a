//go:build bench

package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
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

// updateRounds is how often the whole cluster is updated, and the floor of it is measured.
const updateRounds = 3

// TestDayTwo measures what is done to a cluster on purpose, under writers: `make bench-daytwo`; DAYTWO=floor,updates for a
// part. Each part takes less than five minutes.
func TestDayTwo(t *testing.T) {
	env, err := framework.NewWithOperator()
	if err != nil {
		t.Fatal(err)
	}
	sitStill(t)
	yieldPlane(t, env)
	for _, part := range dayTwoParts() {
		if !wantedPart("DAYTWO", part.name) {
			continue
		}
		t.Run(part.name, func(t *testing.T) {
			b := &breakage{env: env, lab: yieldingLab, rounds: faultRounds(t), load: load()}
			part.measure(t, b)
			keep(t, part.title, b.report())
		})
	}
}

// sitStill has the writers take less of the processors that they share with the cluster: more threads of this program
// than one wake and spin for each other at every answer.
func sitStill(t *testing.T) {
	t.Helper()
	before := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

// dayTwoPart is a section of the results.
type dayTwoPart struct {
	name, title string
	measure     func(*testing.T, *breakage)
}

func dayTwoParts() []dayTwoPart {
	return []dayTwoPart{
		{"floor", "Day two: an update without an operator", rollFloor},
		{"updates", "Day two: updates", onFilled(rollAll)},
		{"rest", "Day two", onFilled(rollBare, setLive, newSidecar, drainAll)},
	}
}

// onFilled measures on a cluster that has its data.
func onFilled(measures ...func(*testing.T, *breakage, *chaos.World)) func(*testing.T, *breakage) {
	return func(t *testing.T, b *breakage) {
		t.Helper()
		w := b.crowd(t, "resources.limits.memory=512Mi")
		fill(t, w.Cluster)
		if err := w.AwaitWhole(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		for _, measure := range measures {
			measure(t, b, w)
		}
		b.end(t, w)
	}
}

// fill writes values of 10 KB until all shards together have their data. They do not compress: a copy of them is as large
// on the wire, and on a replica's disk.
func fill(t *testing.T, c *framework.Cluster) {
	t.Helper()
	client := c.Client(t)
	const size = 10 << 10
	noise := make([]byte, 1<<20)
	if _, err := rand.NewChaCha8([32]byte{}).Read(noise); err != nil {
		t.Fatal(err)
	}
	for i := range dayTwoBytes / size {
		at := i * 977 % (len(noise) - size)
		key := fmt.Sprintf("fill:%d", i)
		if _, err := client.Do(t.Context(), key, "SET", key, string(noise[at:at+size])); err != nil {
			t.Fatal(err)
		}
	}
}

// deed is something that is done on purpose, and how often.
type deed struct {
	what   string
	worst  time.Duration // the longest gap that is asked for; 0: none is
	rounds int
}

// planned does something on purpose, and takes down what the writers noticed of it.
func (b *breakage) planned(t *testing.T, w *chaos.World, d deed, do func(round int) error) {
	t.Helper()
	before := w.Refusals()
	row := faultRow{what: d.what + ": longest gap of a writer", worst: d.worst}
	lost, waiting := 0, 0
	for round := range d.rounds {
		w.Plain.Gap()
		if err := do(round); err != nil {
			t.Errorf("%s: %v", d.what, err)
			return
		}
		gap := w.Plain.Gap()
		t.Logf("%s: longest gap of a writer: %s", d.what, gap)
		row.times = append(row.times, gap.Length)
		plain, err := w.Plain.LostSince(t.Context())
		withReplica, alsoErr := w.Waiting.LostSince(t.Context())
		if err = errors.Join(err, alsoErr); err != nil {
			t.Errorf("%s: %v", d.what, err)
		}
		lost, waiting = lost+len(plain), waiting+len(withReplica)
	}
	b.add(row)
	b.note("%s: %d acknowledged writes lost, %d of those that a replica had acknowledged (asked: 0); writers were refused: %s",
		d.what, lost, waiting, w.Refusals().Minus(before))
}

// onePod is how long one pod takes from its deletion until it is in sync again.
func onePod(t *testing.T, b *breakage, w *chaos.World) time.Duration {
	t.Helper()
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
		if err := w.AwaitWhole(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		times = append(times, time.Since(begin))
	}
	row := faultRow{what: "one replica's pod, from its deletion to in sync", times: times}
	b.add(row)
	return row.mid()
}

// rollBare has as many pods that are no part of the cluster end and start anew, one after the other: what writers notice
// of that is the machine's.
func rollBare(t *testing.T, b *breakage, w *chaos.World) {
	bare := newBarePods(t, b.env)
	bare.start(t, chaos.Pods, 1)
	b.planned(t, w, deed{what: "beside the cluster, as many bare pods one after the other", rounds: 1}, func(int) error {
		bare.roll(t, chaos.Pods)
		return nil
	})
	bare.end(t, chaos.Pods)
}

// rollAll changes what every pod is made from.
func rollAll(t *testing.T, b *breakage, w *chaos.World) {
	one := onePod(t, b, w)
	var times []time.Duration
	d := deed{what: "a rolling update of all pods", worst: 100 * time.Millisecond, rounds: updateRounds}
	b.planned(t, w, d, func(round int) error {
		begin := time.Now()
		err := update(t, w, fmt.Sprintf("updated-%d", round))
		times = append(times, time.Since(begin))
		return err
	})
	b.add(faultRow{what: d.what + ": time", times: times, worst: one * chaos.Pods * 3 / 2})
}

// update gives redis another environment, waits until all is well, and every pod is of it then.
func update(t *testing.T, w *chaos.World, value string) error {
	t.Helper()
	w.Allow(10 * time.Minute)
	bench := func(e corev1.EnvVar) bool { return e.Name == "BENCH" }
	err := change(t.Context(), w, func(rc *redisv1.RedisCluster) {
		redis := &rc.Spec.PodTemplate.Spec.Containers[0]
		redis.Env = append(slices.DeleteFunc(redis.Env, bench), corev1.EnvVar{Name: "BENCH", Value: value})
	})
	if err != nil {
		return err
	}
	if err := w.AwaitWhole(t.Context(), 10*time.Minute); err != nil {
		return err
	}
	return eachRedis(t.Context(), w, func(pod *corev1.Pod, redis *corev1.Container) error {
		if i := slices.IndexFunc(redis.Env, bench); i < 0 || redis.Env[i].Value != value {
			return fmt.Errorf("%s is of before", pod.Name)
		}
		return nil
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
	b.planned(t, w, deed{what: "a new redisnode in all pods", rounds: 1}, func(int) error {
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
