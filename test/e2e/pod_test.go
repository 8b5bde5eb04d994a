//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

// TestPrimaryPodDeleted deletes the pod of a primary that keeps its data in an emptyDir: its replica takes
// over before it stops (FAULTS 24), the pod comes back as another node and follows, and the old node is
// forgotten everywhere (FAULTS 28). No key is lost.
func TestPrimaryPodDeleted(t *testing.T) {
	ns := env.Namespace(t, "e2e-pod-deleted")
	c := env.InstallCluster(t, ns, "demo", "image.repository=redis", "image.tag=8.0", "image.pullPolicy=Never")
	c.WaitReady(t, time.Minute)
	const keys = 2000
	c.Write(t, keys)
	before, err := c.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	victim := firstMaster(t, before)
	if err := env.Kube.CoreV1().Pods(ns).Delete(t.Context(), victim.PodName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	framework.Eventually(t, time.Minute, "the pod is another node, and follows", func(ctx context.Context) error {
		rc, err := c.Get(ctx)
		if err != nil {
			return err
		}
		for _, n := range rc.Status.Nodes {
			if n.PodName == victim.PodName && n.ID != victim.ID && n.Role == redisv1.RoleReplica {
				return nil
			}
		}
		return fmt.Errorf("%s is not there as a replica", victim.PodName)
	})
	c.WaitReady(t, time.Minute)
	framework.Eventually(t, 30*time.Second, "the cluster is whole, and knows six nodes", c.Whole)
	if err := c.Verify(t.Context(), c.Client(t), keys); err != nil {
		t.Errorf("keys after the pod of a primary was deleted: %v", err)
	}
}

func firstMaster(t *testing.T, rc *redisv1.RedisCluster) redisv1.NodeStatus {
	t.Helper()
	for _, n := range rc.Status.Nodes {
		if n.Role == redisv1.RoleMaster {
			return n
		}
	}
	t.Fatalf("no master in %+v", rc.Status.Nodes)
	return redisv1.NodeStatus{}
}

// TestReplicationFactorChanges raises and lowers the number of replicas.
func TestReplicationFactorChanges(t *testing.T) {
	ns := env.Namespace(t, "e2e-replication")
	set := []string{"image.repository=valkey", "image.tag=8.1", "image.pullPolicy=Never"}
	c := env.InstallCluster(t, ns, "demo", append(set, "replicationFactor=0")...)
	c.WaitReady(t, time.Minute)
	const keys = 1000
	c.Write(t, keys)
	for _, factor := range []int{2, 1} {
		c = env.InstallCluster(t, ns, "demo", append(set, fmt.Sprintf("replicationFactor=%d", factor))...)
		framework.Eventually(t, 2*time.Minute, fmt.Sprintf("%d replicas", factor), func(ctx context.Context) error {
			if err := c.IsReady(ctx); err != nil {
				return err
			}
			rc, err := c.Get(ctx)
			if err != nil {
				return err
			}
			if want := fmt.Sprintf("%d-%d", factor, factor); rc.Status.Replication != want {
				return fmt.Errorf("replication is %s, not %s", rc.Status.Replication, want)
			}
			return c.Whole(ctx)
		})
		if err := c.Verify(t.Context(), c.Client(t), keys); err != nil {
			t.Errorf("keys with %d replicas: %v", factor, err)
		}
	}
}

// TestSecretsStaySecret looks for the passwords in all that is not a Secret: objects, events, logs, and
// what the processes of the pods show of themselves (S9).
func TestSecretsStaySecret(t *testing.T) {
	ns := env.Namespace(t, "e2e-secrets")
	c := env.InstallCluster(t, ns, "demo", "image.repository=redis", "image.tag=8.0", "image.pullPolicy=Never")
	c.WaitReady(t, time.Minute)
	kubectl := framework.Tool("kubectl")
	var seen strings.Builder
	for _, args := range [][]string{
		{"get", "redisclusters,pods,services,configmaps,serviceaccounts,poddisruptionbudgets,events", "-o", "yaml"},
		{"logs", "demo-0", "--all-containers"},
		{"exec", "demo-0", "-c", "redis", "--", "sh", "-c", "cat /proc/1/cmdline /proc/1/environ /proc/self/environ"},
	} {
		out, err := env.Run(t.Context(), kubectl, append([]string{"--namespace", ns}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		seen.WriteString(out)
	}
	out, err := env.Run(t.Context(), kubectl, "--namespace", framework.OperatorNamespace, "logs", "deploy/op-redis-operator")
	if err != nil {
		t.Fatal(err)
	}
	seen.WriteString(out)
	password, err := c.Password(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for user, secret := range map[string]string{
		"default": password, "operator": internal(t, c, "operator"),
		"redisnode": internal(t, c, "redisnode"), "replication": internal(t, c, "replication"),
	} {
		if len(secret) < 16 {
			t.Errorf("the password of %s has %d characters", user, len(secret))
		}
		if strings.Contains(seen.String(), secret) {
			t.Errorf("the password of user %s is shown", user)
		}
	}
}

func internal(t *testing.T, c *framework.Cluster, user string) string {
	t.Helper()
	password, err := c.InternalPassword(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	return password
}
