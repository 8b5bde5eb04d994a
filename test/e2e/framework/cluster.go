package framework

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/test/e2e/witness"
)

// Cluster is a RedisCluster under test, installed by its chart.
type Cluster struct {
	*Env
	Namespace, Name string
	// AuthSecret holds the clients' password; "": the one that the operator makes.
	AuthSecret string
}

// InstallCluster installs the cluster's chart with these --set values.
func (e *Env) InstallCluster(t *testing.T, namespace, name string, set ...string) *Cluster {
	t.Helper()
	args := []string{"upgrade", "--install", name, "charts/redis-cluster", "--namespace", namespace}
	for _, s := range set {
		args = append(args, "--set", s)
	}
	if _, err := e.Run(t.Context(), Tool("helm"), args...); err != nil {
		t.Fatal(err)
	}
	return &Cluster{Env: e, Namespace: namespace, Name: name}
}

// Get reads the RedisCluster.
func (c *Cluster) Get(ctx context.Context) (*redisv1.RedisCluster, error) {
	return c.Redis.RedisoperatorV1().RedisClusters(c.Namespace).Get(ctx, c.Name, metav1.GetOptions{})
}

// Condition returns a condition as it is now.
func (c *Cluster) Condition(ctx context.Context, kind string) (metav1.Condition, error) {
	rc, err := c.Get(ctx)
	if err != nil {
		return metav1.Condition{}, err
	}
	found := meta.FindStatusCondition(rc.Status.Conditions, kind)
	if found == nil {
		return metav1.Condition{}, fmt.Errorf("no condition %s yet", kind)
	}
	if found.ObservedGeneration != rc.Generation {
		return metav1.Condition{}, fmt.Errorf("condition %s is of generation %d, not %d",
			kind, found.ObservedGeneration, rc.Generation)
	}
	return *found, nil
}

// IsReady is nil when the cluster is Ready and the operator has nothing to do.
func (c *Cluster) IsReady(ctx context.Context) error {
	ready, err := c.Condition(ctx, redisv1.ConditionReady)
	if err != nil {
		return err
	}
	progressing, err := c.Condition(ctx, redisv1.ConditionProgressing)
	if err != nil {
		return err
	}
	if ready.Status != metav1.ConditionTrue || progressing.Status != metav1.ConditionFalse {
		return fmt.Errorf("condition Ready=%s %s: %s; Progressing=%s %s: %s",
			ready.Status, ready.Reason, ready.Message, progressing.Status, progressing.Reason, progressing.Message)
	}
	return nil
}

// WaitReady waits until the cluster is Ready and at rest.
func (c *Cluster) WaitReady(t *testing.T, timeout time.Duration) {
	t.Helper()
	Eventually(t, timeout, c.Name+" is Ready", c.IsReady)
}

// Scale asks for another number of masters, as a person does.
func (c *Cluster) Scale(t *testing.T, masters int) {
	t.Helper()
	if _, err := c.Run(t.Context(), Tool("kubectl"), "scale", "--namespace", c.Namespace, "rdc/"+c.Name,
		fmt.Sprintf("--replicas=%d", masters)); err != nil {
		t.Fatal(err)
	}
}

// WaitMasters waits until the cluster has so many masters, is Ready and at rest, and whole in the eyes of every node.
func (c *Cluster) WaitMasters(t *testing.T, masters int, timeout time.Duration) {
	t.Helper()
	Eventually(t, timeout, fmt.Sprintf("%s has %d masters", c.Name, masters), func(ctx context.Context) error {
		if err := c.IsReady(ctx); err != nil {
			return err
		}
		rc, err := c.Get(ctx)
		if err != nil {
			return err
		}
		pods := masters * int(1+*rc.Spec.ReplicationFactor)
		if got := int(rc.Status.NumberOfMaster); got != masters || len(rc.Status.Nodes) != pods {
			return fmt.Errorf("%d masters and %d pods, want %d and %d", got, len(rc.Status.Nodes), masters, pods)
		}
		return c.Whole(ctx)
	})
}

// Demoted is nil once the status has the node as no master any more.
func (c *Cluster) Demoted(id string) func(context.Context) error {
	return func(ctx context.Context) error {
		rc, err := c.Get(ctx)
		if err != nil {
			return err
		}
		for _, n := range rc.Status.Nodes {
			if n.ID == id && n.Role == redisv1.RoleMaster {
				return fmt.Errorf("%s is still the master of %v", n.PodName, n.Slots)
			}
		}
		return nil
	}
}

// Pods are the cluster's pods.
func (c *Cluster) Pods(ctx context.Context) ([]corev1.Pod, error) {
	list, err := c.Kube.CoreV1().Pods(c.Namespace).List(ctx,
		metav1.ListOptions{LabelSelector: redisv1.LabelCluster + "=" + c.Name})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// Password is the clients' password.
func (c *Cluster) Password(ctx context.Context) (string, error) {
	return c.Witness().Password(ctx, "default")
}

// InternalPassword is the password of one of the operator's own users.
func (c *Cluster) InternalPassword(ctx context.Context, user string) (string, error) {
	return c.Witness().Password(ctx, user)
}

// Witness is the cluster as one sees it who shares no code with the operator.
func (c *Cluster) Witness() *witness.Cluster {
	return &witness.Cluster{Kube: c.Kube, Namespace: c.Namespace, Name: c.Name, AuthSecret: c.AuthSecret}
}

// Client is a cluster client that starts at the cluster's pods.
func (c *Cluster) Client(t *testing.T) *witness.Client {
	t.Helper()
	client, err := c.Witness().Client(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// StartTraffic begins to write. Stop ends it.
func (c *Cluster) StartTraffic(t *testing.T, o witness.TrafficOptions) *witness.Traffic {
	t.Helper()
	traffic, err := c.Witness().Write(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(traffic.Halt)
	return traffic
}

// StartObserver begins to look. Slots may be without an owner, or with several, and nodes unknown, for as long as the
// grace.
func (c *Cluster) StartObserver(t *testing.T, grace time.Duration) *witness.Observer {
	t.Helper()
	observer, err := c.Witness().Observe(t.Context(), grace)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = observer.Stop() }) // a test that wants to know what it saw has stopped it itself
	return observer
}

// Write sets n keys that Verify knows.
func (c *Cluster) Write(t *testing.T, n int) {
	t.Helper()
	client := c.Client(t)
	for i := range n {
		key, value := pair(i)
		if _, err := client.Do(t.Context(), key, "SET", key, value); err != nil {
			t.Fatalf("write %s: %v", key, err)
		}
	}
}

// Verify reads what Write has set and returns what is wrong, by value.
func (c *Cluster) Verify(ctx context.Context, client *witness.Client, n int) error {
	var errs []error
	for i := range n {
		key, value := pair(i)
		got, err := client.Do(ctx, key, "GET", key)
		if err != nil {
			errs = append(errs, fmt.Errorf("read %s: %w", key, err))
		} else if got != value {
			errs = append(errs, fmt.Errorf("%s is %v, not %q", key, got, value))
		}
		if len(errs) > 5 {
			break
		}
	}
	return errors.Join(errs...)
}

func pair(i int) (key, value string) { return fmt.Sprintf("key:%d", i), fmt.Sprintf("value of %d", i) }

// Whole asks every pod's Redis, and no operator, whether the cluster is whole: state ok, all slots, every
// node known to all at its pod's address, and every replica linked.
func (c *Cluster) Whole(ctx context.Context) error {
	look, err := c.Witness().Look(ctx)
	if err != nil {
		return err
	}
	return look.Whole(len(look.Seen))
}

// Slot is the hash slot of a key.
func Slot(key string) uint16 { return witness.Slot(key) }
