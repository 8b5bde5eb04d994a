//go:build bench

package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/test/e2e/chaos"
	"github.com/redisoperator/redis-operator/test/e2e/framework"
	"github.com/redisoperator/redis-operator/test/e2e/witness"
)

const floorName = "floor"

// floor is a cluster of bare pods with what the operator's would have: the same data, writers, observer, settings of
// replication and requests. Its pods are replaced in the same order as in an update, by a client that deletes and makes
// them, and sends CLUSTER FAILOVER. No operator and no agent runs. What writers notice of that is the machine's, and redis' own.
type floor struct {
	*barePods
	w *chaos.World
}

// newFloor starts the pods, and has them form a cluster of three shards.
func newFloor(t *testing.T, env *framework.Env) *floor {
	t.Helper()
	f := &floor{barePods: newBarePods(t, env)}
	for _, name := range []string{floorName + "-auth", floorName + "-internal"} { // without passwords
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := env.Kube.CoreV1().Secrets(f.namespace).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range chaos.Pods {
		f.create(t, i)
	}
	for i := range chaos.Pods {
		f.awaitReady(t, i)
	}
	f.form(t)
	c := &framework.Cluster{Env: env, Namespace: f.namespace, Name: floorName}
	var err error
	if f.w, err = chaos.New(t.Context(), c, chaos.Load{Plain: 500, Waiting: 50}, t.Logf); err != nil {
		t.Fatal(err)
	}
	return f
}

// create makes the pod of an operator's cluster, but for its agent.
func (f *floor) create(t *testing.T, i int) {
	t.Helper()
	pod := barePod(i)
	pod.Labels[redisv1.LabelCluster] = floorName
	pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	redis := &pod.Spec.Containers[0]
	redis.VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	redis.Resources = corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")},
	}
	redis.Command = []string{
		"redis-server", "--dir", "/data", "--save", "", "--protected-mode", "no", "--cluster-enabled", "yes",
		"--repl-diskless-sync-delay", "0", "--cluster-allow-replica-migration", "no", "--rdb-del-sync-files", "yes",
		"--repl-backlog-size", "8mb",
	}
	if _, err := f.api().Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// ask sends commands to a pod's redis.
func (f *floor) ask(ctx context.Context, i int, commands ...[]string) ([]any, error) {
	pod, err := f.api().Get(ctx, barePod(i).Name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	conn, err := witness.DialRedis(ctx, pod.Status.PodIP+":6379", "", "")
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.Pipeline(ctx, commands...)
}

// must is ask, of commands that cannot be refused.
func (f *floor) must(t *testing.T, i int, commands ...[]string) []any {
	t.Helper()
	replies, err := f.ask(t.Context(), i, commands...)
	if err != nil {
		t.Fatalf("bare-%d: %v", i, err)
	}
	return replies
}

// table is what a pod's node believes.
func (f *floor) table(ctx context.Context, i int) ([]witness.Node, error) {
	replies, err := f.ask(ctx, i, []string{"CLUSTER", "NODES"})
	if err != nil {
		return nil, err
	}
	text, _ := replies[0].(string)
	return witness.ReadNodes(text), nil
}

// self is a pod's node.
func (f *floor) self(t *testing.T, i int) (self witness.Node) {
	t.Helper()
	framework.Eventually(t, time.Minute, "a bare node says who it is", func(ctx context.Context) error {
		table, err := f.table(ctx, i)
		at := slices.IndexFunc(table, func(n witness.Node) bool { return n.Is("myself") })
		if err != nil || at < 0 {
			return fmt.Errorf("bare-%d: %w", i, err)
		}
		self = table[at]
		return nil
	})
	return self
}

// form gives pods 0 to 2 the slots, and each of the others one of them to follow.
func (f *floor) form(t *testing.T) {
	t.Helper()
	for i := range chaos.Shards {
		first, last := i*16384/chaos.Shards, (i+1)*16384/chaos.Shards-1
		f.must(t, i, []string{"CLUSTER", "SET-CONFIG-EPOCH", fmt.Sprint(i + 1)},
			[]string{"CLUSTER", "ADDSLOTSRANGE", fmt.Sprint(first), fmt.Sprint(last)})
	}
	for i := range chaos.Pods {
		f.meet(t, i)
	}
	for i := range chaos.Shards {
		f.follow(t, chaos.Shards+i, f.self(t, i).ID)
	}
}

// meet has a node and all others meet each other, until it knows them.
func (f *floor) meet(t *testing.T, i int) {
	t.Helper()
	pods := map[int]string{}
	for j := range chaos.Pods {
		pod, err := f.api().Get(t.Context(), barePod(j).Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		pods[j] = pod.Status.PodIP
	}
	for j, ip := range pods {
		if j != i {
			f.must(t, i, []string{"CLUSTER", "MEET", ip, "6379"})
			f.must(t, j, []string{"CLUSTER", "MEET", pods[i], "6379"})
		}
	}
	framework.Eventually(t, time.Minute, "the nodes have met", func(ctx context.Context) error {
		for j := range chaos.Pods {
			table, err := f.table(ctx, j)
			if err != nil {
				return err
			}
			table = slices.DeleteFunc(table, func(n witness.Node) bool { return n.Is("handshake") })
			if len(table) != chaos.Pods {
				return fmt.Errorf("bare-%d knows %d nodes", j, len(table))
			}
		}
		return nil
	})
}

// follow has a node become a replica, and waits until it is in sync and all have heard of it.
func (f *floor) follow(t *testing.T, i int, primary string) {
	t.Helper()
	self := f.self(t, i).ID
	f.must(t, i, []string{"CLUSTER", "REPLICATE", primary})
	framework.Eventually(t, time.Minute, "a bare replica is in sync", func(ctx context.Context) error {
		replies, err := f.ask(ctx, i, []string{"INFO", "replication"})
		if err != nil {
			return err
		}
		if text, _ := replies[0].(string); !strings.Contains(text, "master_link_status:up") {
			return fmt.Errorf("bare-%d is not in sync", i)
		}
		return nil
	})
	f.awaitRole(t, self, primary)
}

// awaitRole waits until every node believes that a node follows another.
func (f *floor) awaitRole(t *testing.T, id, primary string) {
	t.Helper()
	framework.Eventually(t, time.Minute, "all have heard of a role", func(ctx context.Context) error {
		for j := range chaos.Pods {
			table, err := f.table(ctx, j)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(table, func(n witness.Node) bool { return n.ID == id && n.Primary == primary }) {
				return fmt.Errorf("bare-%d has not heard", j)
			}
		}
		return nil
	})
}

// replace ends a replica's pod, and makes it anew.
func (f *floor) replace(t *testing.T, i int) {
	t.Helper()
	former := f.self(t, i)
	f.endOne(t, i)
	for j := range chaos.Pods {
		if j != i {
			f.must(t, j, []string{"CLUSTER", "FORGET", former.ID})
		}
	}
	f.create(t, i)
	f.awaitReady(t, i)
	f.meet(t, i)
	f.follow(t, i, former.Primary)
}

// handOver has a replica take its primary's place.
func (f *floor) handOver(t *testing.T, i int) {
	t.Helper()
	before := f.self(t, i)
	f.must(t, i, []string{"CLUSTER", "FAILOVER"})
	f.awaitRole(t, before.Primary, before.ID)
}

// update replaces every pod: replicas first, then each primary once its replica has its place.
func (f *floor) update(t *testing.T) {
	t.Helper()
	replicas := map[string]int{} // by whom they follow
	for i := range chaos.Pods {
		if self := f.self(t, i); self.Primary != "" {
			replicas[self.Primary] = i
			f.replace(t, i)
		}
	}
	for i := range chaos.Pods {
		if heir, ok := replicas[f.self(t, i).ID]; ok {
			f.handOver(t, heir)
			f.replace(t, i)
		}
	}
}

// rollFloor measures the floor, in the same lab and the same run.
func rollFloor(t *testing.T, b *breakage) {
	t.Helper()
	withoutOperator(t, b.env, func() {
		f := newFloor(t, b.env)
		fill(t, f.w.Cluster)
		d := deed{what: "no operator, a cluster of bare pods: all replaced, roles by CLUSTER FAILOVER", rounds: updateRounds}
		b.planned(t, f.w, d, func(int) error {
			f.update(t)
			return nil
		})
		f.w.Plain.Halt()
		f.w.Waiting.Halt()
	})
}
