package plugin

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	kubefake "k8s.io/client-go/kubernetes/fake"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/client/clientset/versioned/fake"
)

var update = flag.Bool("update", false, "write the golden files")

// now is the clock of every test.
var now = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) metav1.Time { return metav1.NewTime(now.Add(-d)) }

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// nodeID is the ID of the node in the pod with this number.
func nodeID(n int) string { return fmt.Sprintf("%08x", n+0xa0) + strings.Repeat("0", 32) }

func condition(name string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{
		Type: name, Status: status, Reason: reason, Message: message, LastTransitionTime: ago(90 * time.Second),
	}
}

// converged is a RedisCluster of three masters with a replica each, and nothing to do.
func converged(namespace, name string) *redisv1.RedisCluster {
	rc := &redisv1.RedisCluster{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, UID: "uid-" + "1", Generation: 2,
			CreationTimestamp: ago(26 * time.Hour),
		},
		Status: redisv1.RedisClusterStatus{
			ObservedGeneration: 2, Bootstrapped: true, NumberOfMaster: 3,
			MinReplicationFactor: 1, MaxReplicationFactor: 1, NodesPlacement: redisv1.PlacementOptimal,
			Pods: 6, PodsReady: 6, PodsWanted: 6, SlotsAssigned: 16384,
			Conditions: []metav1.Condition{
				condition(redisv1.ConditionProgressing, metav1.ConditionFalse, "Converged", "nothing to do"),
				condition(redisv1.ConditionReady, metav1.ConditionTrue, redisv1.ReasonHealthy, "every shard is whole"),
				condition(redisv1.ConditionDegraded, metav1.ConditionFalse, redisv1.ReasonHealthy, "nothing is wrong"),
			},
		},
	}
	redisv1.SetDefaults(rc)
	slots := []string{"0-5461", "5462-10922", "10923-16383"}
	for i := range 6 {
		n := redisv1.NodeStatus{
			PodName: rc.PodName(i), ID: nodeID(i), IP: fmt.Sprintf("10.0.1.%d", 10*i+5),
			Host: fmt.Sprintf("node-%d", i%3), Zone: string(rune('a' + i%3)),
		}
		if i < 3 {
			n.Role, n.Slots = redisv1.RoleMaster, []string{slots[i]}
		} else {
			n.Role, n.MasterRef = redisv1.RoleReplica, nodeID((i+1)%3)
		}
		rc.Status.Nodes = append(rc.Status.Nodes, n)
	}
	return rc
}

// troubled is a RedisCluster in the middle of things, with long numbers in its pods' names.
func troubled() *redisv1.RedisCluster {
	rc := converged("default", "odd")
	s := &rc.Status
	s.PodsReady, s.Pods, s.MinReplicationFactor, s.MaxReplicationFactor = 4, 8, 0, 2
	s.NodesPlacement, s.PlacementMessage = redisv1.PlacementBestEffort, "odd-0 and its replica odd-3\nare on one host"
	s.Nodes[1].Slots = []string{"5462", "5470-5480", "5490-5500", "6000-7000", "8000-10922"}
	s.SlotsAssigned = 14870
	s.Nodes[4].MasterRef = strings.Repeat("f", 40)
	s.Nodes[5].MasterRef = nodeID(3)
	s.Nodes = append(s.Nodes,
		redisv1.NodeStatus{PodName: "odd-10", Role: redisv1.RoleReplica, ID: nodeID(10), MasterRef: nodeID(0), IP: "10.0.1.200", Host: "node-0"},
		redisv1.NodeStatus{PodName: "odd-9", Role: redisv1.RoleReplica, ID: nodeID(9), MasterRef: nodeID(0), IP: "10.0.1.201", Host: "node-0"},
		redisv1.NodeStatus{PodName: "odd-8", Role: redisv1.RoleNone, IP: "10.0.1.9"},
		redisv1.NodeStatus{PodName: "odd-7", Role: redisv1.RoleNone, ID: nodeID(7), IP: "10.0.1.8", Host: "node-2", Zone: "c"})
	s.Conditions = []metav1.Condition{
		condition(redisv1.ConditionProgressing, metav1.ConditionTrue, "MeetingNodes", "introducing odd-8 to the others"),
		condition(redisv1.ConditionReady, metav1.ConditionFalse, redisv1.ReasonSlotsUncovered, "1514 slots have no owner"),
		condition(redisv1.ConditionDegraded, metav1.ConditionTrue, redisv1.ReasonPodFailing, "odd-8: Back-off pulling image\x1b[31m"),
	}
	return rc
}

// answers are live figures of every node of a RedisCluster.
func answers(rc *redisv1.RedisCluster) []LiveInfo {
	var live []LiveInfo
	for i, n := range rc.Status.Nodes {
		role := "replica"
		if n.Role == redisv1.RoleMaster {
			role = "primary"
		}
		live = append(live, LiveInfo{PodName: n.PodName, Info: Info{
			UsedMemory: int64(i+1) * 23_456_789, MaxMemory: 192 << 20, Keys: int64(1) << (5 * i), Role: role,
			ReplOffset: int64(1000 + i), ConnectedClients: int64(i), Version: "redis 8.0.2",
		}})
	}
	return live
}

// fixture is a plugin with a fake Kubernetes.
type fixture struct {
	clients      Clients
	in, out, err bytes.Buffer
	prepare      func(*command)
}

func newFixture(namespace string, events []corev1.Event, clusters ...*redisv1.RedisCluster) *fixture {
	var redisObjects, kubeObjects []runtime.Object
	live := map[string]LiveInfo{}
	for _, rc := range clusters {
		redisObjects = append(redisObjects, rc.DeepCopy())
		for _, l := range answers(rc) {
			live[rc.Namespace+"/"+l.PodName] = l
		}
	}
	for i := range events {
		kubeObjects = append(kubeObjects, &events[i])
	}
	f := &fixture{}
	kube := kubefake.NewClientset(kubeObjects...)
	kube.Resources = []*metav1.APIResourceList{{
		GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "pods"}, {Name: "pods/resize"}},
	}}
	f.clients = Clients{
		Redis: fake.NewClientset(redisObjects...), Kube: kube, Namespace: namespace,
		Ask: func(_ context.Context, namespace, pod string) (Info, error) {
			if l, ok := live[namespace+"/"+pod]; ok {
				return l.Info, nil
			}
			return Info{}, errors.New("no such pod")
		},
	}
	return f
}

// run is one call of the plugin.
func (f *fixture) run(ctx context.Context, args ...string) error {
	return f.command(args).ExecuteContext(ctx) //nolint:contextcheck // cobra carries it to the verb
}

func (f *fixture) command(args []string) *cobra.Command {
	streams := genericiooptions.IOStreams{In: &f.in, Out: &f.out, ErrOut: &f.err}
	c := newCommand(streams, func() time.Time { return now },
		func(*genericclioptions.ConfigFlags) (Clients, error) { return f.clients, nil })
	if f.prepare != nil {
		f.prepare(c)
	}
	cmd := c.root()
	cmd.SetArgs(args)
	return cmd
}
