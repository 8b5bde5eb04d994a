package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/redisoperator/redis-operator/pkg/agent"
	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/kube"
	"github.com/redisoperator/redis-operator/pkg/objects"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// access is how the operator reaches a cluster's nodes and agents.
type access struct {
	operator redis.Credentials
	mover    redis.Credentials // of nodes at the nodes that they give keys to
	agents   AgentControl
}

// ensure keeps the objects around the pods as pkg/objects renders them. They do not depend on what is
// observed, so they are no steps; for a converged cluster this reads caches and writes nothing.
func (c *Controller) ensure(ctx context.Context, rc *redisv1.RedisCluster) (access, error) {
	a, err := c.ensureSecrets(ctx, rc)
	if err != nil {
		return access{}, err
	}
	stores, err := c.stores(rc.Namespace)
	if err != nil {
		return access{}, err
	}
	pods, err := c.podsOf(rc)
	if err != nil {
		return access{}, err
	}
	if err = c.ensureBudget(ctx, rc, len(pods)); err != nil {
		return access{}, err
	}
	conf, err := c.confToKeep(rc, pods)
	if err != nil {
		return access{}, err
	}
	for _, o := range []struct {
		wanted kube.Object
		cached kube.Getter
	}{
		{objects.NewServiceAccount(rc), kube.From(stores.ServiceAccounts.ServiceAccounts(rc.Namespace))},
		{objects.NewService(rc), kube.From(stores.Services.Services(rc.Namespace))},
		{conf, kube.From(stores.ConfigMaps.ConfigMaps(rc.Namespace))},
	} {
		if err := c.Objects.Ensure(ctx, rc, o.wanted, o.cached); err != nil {
			return access{}, err
		}
	}
	if err := c.ensureLabels(ctx, rc, pods); err != nil {
		return access{}, err
	}
	if err := c.ensureClaims(ctx, rc, pods); err != nil {
		return access{}, err
	}
	return a, c.ensureRevision(ctx, rc, stores)
}

// ensureRevision keeps what the nodes run by the spec now, so that a person can go back to it.
func (c *Controller) ensureRevision(ctx context.Context, rc *redisv1.RedisCluster, stores Stores) error {
	wanted, err := objects.NewRevision(rc)
	if err != nil {
		return err
	}
	mine := labels.SelectorFromSet(labels.Set{redisv1.LabelClusterUID: string(rc.UID)})
	history, err := stores.Revisions.ControllerRevisions(rc.Namespace).List(mine)
	if err != nil {
		return fmt.Errorf("list revisions: %w", err)
	}
	return c.History.Keep(ctx, rc, wanted, history, objects.RevisionLimit)
}

// confToKeep is the ConfigMap as it is to be before anything else is done. While nodes run, what they start with is
// only changed once they have taken it: see configure.
func (c *Controller) confToKeep(rc *redisv1.RedisCluster, pods []*corev1.Pod) (*corev1.ConfigMap, error) {
	wanted := objects.NewConfigMap(rc)
	if !rc.Status.Bootstrapped || !slices.ContainsFunc(pods, running) {
		return wanted, nil
	}
	written, err := c.writtenConf(rc)
	if err == nil && written != "" {
		wanted.Data[objects.KeyRedisConf] = written
	}
	return wanted, err
}

// ensureLabels keeps the labels of pods, by which the Service and people find them.
func (c *Controller) ensureLabels(ctx context.Context, rc *redisv1.RedisCluster, pods []*corev1.Pod) error {
	for _, pod := range pods {
		wanted := objects.PodIdentity(rc, ordinalOf(pod))
		if pod.DeletionTimestamp != nil || ordinalOf(pod) < 0 || kube.Labelled(pod, wanted) {
			continue
		}
		named := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, Labels: wanted}}
		if err := c.Pods.Adopt(ctx, rc, named); err != nil {
			return err
		}
	}
	return nil
}

// ensureBudget keeps the PodDisruptionBudget, or takes it away when the spec wants none.
func (c *Controller) ensureBudget(ctx context.Context, rc *redisv1.RedisCluster, pods int) error {
	stores, err := c.stores(rc.Namespace)
	if err != nil {
		return err
	}
	cached := kube.From(stores.Budgets.PodDisruptionBudgets(rc.Namespace))
	if wanted := objects.NewPodDisruptionBudget(rc, pods); wanted != nil {
		return c.Objects.Ensure(ctx, rc, wanted, cached)
	}
	unwanted := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: rc.Namespace, Name: rc.Name}}
	return c.Objects.Remove(ctx, rc, unwanted, cached)
}

// ensureClaims keeps the claims of the pods that exist, and takes over those that are to be adopted: one that waits for
// a class that is not there heals with the spec.
func (c *Controller) ensureClaims(ctx context.Context, rc *redisv1.RedisCluster, pods []*corev1.Pod) error {
	if rc.Spec.Storage.Type != redisv1.StoragePersistent {
		return nil
	}
	if err := c.adoptClaims(ctx, rc); err != nil {
		return err
	}
	for _, pod := range pods {
		if pod.DeletionTimestamp != nil || ordinalOf(pod) < 0 {
			continue
		}
		if err := c.ensureClaim(ctx, rc, ordinalOf(pod)); err != nil {
			return err
		}
	}
	return nil
}

// dropSurplusClaims deletes the claims of pods that a scale-in has taken away, where claims go with what they are
// for. It is only asked to for a cluster that has everything that it wants: what is on a claim without a pod is then
// a copy of what others have, or older.
func (c *Controller) dropSurplusClaims(ctx context.Context, rc *redisv1.RedisCluster, view cluster.View) error {
	if rc.Spec.Storage.Retention != redisv1.RetentionDelete || len(view.Members) != rc.WantedPods() {
		return nil
	}
	stores, err := c.stores(rc.Namespace)
	if err != nil {
		return err
	}
	for _, ordinal := range view.Volumes {
		if slices.ContainsFunc(view.Members, func(m cluster.Member) bool { return m.Pod.Ordinal == ordinal }) {
			continue
		}
		claim := objects.NewClaim(rc, ordinal)
		cached := kube.From(stores.Claims.PersistentVolumeClaims(rc.Namespace))
		if err := c.Objects.Remove(ctx, rc, claim, cached); err != nil {
			return err
		}
		c.Events.Step(rc, redisv1.EventClaimDeleted,
			fmt.Sprintf("deleted volume claim %s, which no pod needs any more", claim.Name))
	}
	return nil
}

func (c *Controller) ensureClaim(ctx context.Context, rc *redisv1.RedisCluster, ordinal int) error {
	stores, err := c.stores(rc.Namespace)
	if err != nil {
		return err
	}
	return c.Objects.Ensure(ctx, rc, objects.NewClaim(rc, ordinal),
		kube.From(stores.Claims.PersistentVolumeClaims(rc.Namespace)))
}

// ensureSecrets makes what is missing of a cluster's Secrets, renews its agents' certificate in time, and
// returns what the operator needs of them.
func (c *Controller) ensureSecrets(ctx context.Context, rc *redisv1.RedisCluster) (access, error) {
	if err := c.ensurePassword(ctx, rc); err != nil {
		return access{}, err
	}
	internal, err := c.Secrets.Ensure(ctx, rc, rc.InternalSecretName(), lacksPassword,
		func(current *corev1.Secret) (*corev1.Secret, error) { return newInternalSecret(rc, current) })
	if err != nil {
		return access{}, err
	}
	ca, err := c.ensureAuthority(ctx, rc)
	if err != nil {
		return access{}, err
	}
	if err = c.ensureAgentCertificate(ctx, rc, ca); err != nil {
		return access{}, err
	}
	agents, err := c.agents.of(rc, ca)
	if err != nil {
		return access{}, err
	}
	return access{
		operator: redis.Credentials{
			Username: agent.UserOperator, Password: string(internal.Data[objects.KeyOperatorPassword]),
		},
		mover: redis.Credentials{
			Username: agent.UserMover, Password: string(internal.Data[objects.KeyMoverPassword]),
		},
		agents: agents,
	}, nil
}

// ensureAuthority makes the certificate authority of the cluster's agents, once.
func (c *Controller) ensureAuthority(ctx context.Context, rc *redisv1.RedisCluster) (agent.CA, error) {
	secret, err := c.Secrets.Ensure(ctx, rc, rc.AgentCASecretName(), kube.Never,
		func(*corev1.Secret) (*corev1.Secret, error) {
			made, failed := agent.NewCA(string(rc.UID), c.Clock.Now())
			return objects.NewAgentCASecret(rc, made.CertPEM, made.KeyPEM), failed
		})
	if err != nil {
		return agent.CA{}, err
	}
	ca, err := agent.ParseCA(secret.Data[objects.KeyCACert], secret.Data[objects.KeyCAKey])
	if err != nil {
		return agent.CA{}, fmt.Errorf("secret %s: %w", secret.Name, err)
	}
	return ca, nil
}

// ensureAgentCertificate makes the certificate that the agents show, and another in time before it ends. The
// kubelet brings it into the pods and the agents take it up: nothing is restarted.
func (c *Controller) ensureAgentCertificate(ctx context.Context, rc *redisv1.RedisCluster, ca agent.CA) error {
	renew := func(s *corev1.Secret) bool { return agent.NeedsRenewal(s.Data[corev1.TLSCertKey], c.Clock.Now()) }
	_, err := c.Secrets.Ensure(ctx, rc, rc.AgentTLSSecretName(), renew, func(*corev1.Secret) (*corev1.Secret, error) {
		cert, key, failed := ca.IssueAgent(string(rc.UID), c.Clock.Now())
		return objects.NewAgentTLSSecret(rc, objects.AgentTLS{CACert: ca.CertPEM, Cert: cert, Key: key}), failed
	})
	return err
}

// ensurePassword makes the clients' password, or checks that the Secret that the user names has one:
// without it every pod would wait for its volume without a word.
func (c *Controller) ensurePassword(ctx context.Context, rc *redisv1.RedisCluster) error {
	if rc.Spec.Auth.SecretName != "" {
		_, err := c.Secrets.Require(ctx, rc, rc.Spec.Auth.SecretName, objects.KeyPassword)
		if err != nil {
			return fmt.Errorf("spec.auth.secretName: %w", err)
		}
		return nil
	}
	_, err := c.Secrets.Ensure(ctx, rc, rc.AuthSecretName(), kube.Never, func(*corev1.Secret) (*corev1.Secret, error) {
		password, err := kube.NewPassword()
		return objects.NewAuthSecret(rc, password), err
	})
	return err
}

// lacksPassword is true for a Secret that an operator made which knew fewer users.
func lacksPassword(s *corev1.Secret) bool {
	return slices.ContainsFunc(objects.InternalKeys(), func(key string) bool { return len(s.Data[key]) == 0 })
}

// newInternalSecret makes the passwords that are missing. Those that nodes know already stay.
func newInternalSecret(rc *redisv1.RedisCluster, current *corev1.Secret) (*corev1.Secret, error) {
	passwords := map[string][]byte{}
	if current != nil {
		passwords = maps.Clone(current.Data)
	}
	for _, key := range objects.InternalKeys() {
		if len(passwords[key]) > 0 {
			continue
		}
		password, err := kube.NewPassword()
		if err != nil {
			return nil, err
		}
		passwords[key] = []byte(password)
	}
	return objects.NewInternalSecret(rc, passwords), nil
}
