package kube

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// SecretControl makes and reads the Secrets of clusters. The operator may not list or watch Secrets, so it remembers
// what it has read for a while: a converged cluster costs a GET now and then, and no writes.
type SecretControl struct {
	client kubernetes.Interface
	ttl    time.Duration
	now    func() time.Time

	mu    sync.Mutex
	known map[secretKey]knownSecret
}

// secretKey has the cluster's UID, so that a namesake made later does not get what its predecessor knew.
type secretKey struct {
	cluster types.UID
	name    string
}

type knownSecret struct {
	secret *corev1.Secret
	until  time.Time
}

// NewSecretControl makes a SecretControl that believes what it has read for ttl, by this clock.
func NewSecretControl(client kubernetes.Interface, ttl time.Duration, now func() time.Time) *SecretControl {
	return &SecretControl{client: client, ttl: ttl, now: now, known: map[secretKey]knownSecret{}}
}

// Renewal says when a Secret's content is to be replaced. It is asked at every look, from memory too.
type Renewal func(current *corev1.Secret) bool

// Never is the renewal of what stays as it was made.
func Never(*corev1.Secret) bool { return false }

// Generate makes the content of a Secret: from nothing when current is nil, else what is to take its place.
type Generate func(current *corev1.Secret) (*corev1.Secret, error)

// Ensure returns the cluster's Secret of this name, which is made by generate when it is missing. An existing one of
// the cluster is never overwritten, unless renew asks for it; one of somebody else's is a *ConflictError.
// The Secret must not be changed by the caller.
func (c *SecretControl) Ensure(
	ctx context.Context, rc *redisv1.RedisCluster, name string, renew Renewal, generate Generate,
) (*corev1.Secret, error) {
	secret, err := c.read(ctx, rc, name)
	if apierrors.IsNotFound(err) {
		return c.create(ctx, rc, name, generate)
	}
	if err != nil {
		return nil, err
	}
	if err := checkOwner("Secret", secret, rc); err != nil {
		c.forget(rc, name)
		return nil, err
	}
	if !renew(secret) {
		return secret, nil
	}
	return c.renew(ctx, rc, name, renewal{renew, generate})
}

// Require returns a key of a Secret that the user made, or ErrSecretNotFound.
func (c *SecretControl) Require(ctx context.Context, rc *redisv1.RedisCluster, name, key string) ([]byte, error) {
	secret, err := c.read(ctx, rc, name)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("%w: %s", ErrSecretNotFound, name)
	}
	if err != nil {
		return nil, err
	}
	value := secret.Data[key]
	if len(value) == 0 {
		c.forget(rc, name)
		return nil, fmt.Errorf("%w: %s has no key %q", ErrSecretNotFound, name, key)
	}
	return value, nil
}

// Forget drops what is known of a cluster's Secrets: they are read again when they are needed.
func (c *SecretControl) Forget(rc *redisv1.RedisCluster) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.known {
		if key.cluster == rc.UID {
			delete(c.known, key)
		}
	}
}

// read is a GET, or what the last one gave.
func (c *SecretControl) read(ctx context.Context, rc *redisv1.RedisCluster, name string) (*corev1.Secret, error) {
	if secret := c.recall(rc, name); secret != nil {
		return secret, nil
	}
	secret, err := c.client.CoreV1().Secrets(rc.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("get secret %s: %w", name, err)
	}
	c.remember(rc, secret)
	return secret, nil
}

func (c *SecretControl) create(
	ctx context.Context, rc *redisv1.RedisCluster, name string, generate Generate,
) (*corev1.Secret, error) {
	wanted, err := generate(nil)
	if err != nil {
		return nil, fmt.Errorf("generate secret %s: %w", name, err)
	}
	secret, err := c.client.CoreV1().Secrets(rc.Namespace).
		Create(ctx, wanted, metav1.CreateOptions{FieldManager: fieldManager})
	if apierrors.IsAlreadyExists(err) {
		// Somebody was faster, perhaps this operator's predecessor: what is there counts, not what was just generated.
		if secret, err = c.read(ctx, rc, name); err != nil {
			return nil, err
		}
		if err = checkOwner("Secret", secret, rc); err != nil {
			c.forget(rc, name)
			return nil, err
		}
		return secret, nil
	}
	if err != nil {
		return nil, fmt.Errorf("create secret %s: %w", name, err)
	}
	c.remember(rc, secret)
	return secret, nil
}

// renewal is when to replace the content of a Secret, and by what.
type renewal struct {
	due      Renewal
	generate Generate
}

// renew replaces the content, after a live look: another operator may have done so already.
func (c *SecretControl) renew(
	ctx context.Context, rc *redisv1.RedisCluster, name string, r renewal,
) (*corev1.Secret, error) {
	c.forget(rc, name)
	live, err := c.read(ctx, rc, name)
	if err != nil || !r.due(live) {
		return live, err
	}
	if err = checkOwner("Secret", live, rc); err != nil {
		return nil, err
	}
	c.forget(rc, name)
	wanted, err := r.generate(live)
	if err != nil {
		return nil, fmt.Errorf("generate secret %s: %w", name, err)
	}
	updated := live.DeepCopy()
	updated.Data = wanted.Data
	// The resourceVersion of what was read goes with it: what changed since is not overwritten.
	updated, err = c.client.CoreV1().Secrets(rc.Namespace).
		Update(ctx, updated, metav1.UpdateOptions{FieldManager: fieldManager})
	if err != nil {
		return nil, fmt.Errorf("update secret %s: %w", name, stale(err))
	}
	c.remember(rc, updated)
	return updated, nil
}

func (c *SecretControl) recall(rc *redisv1.RedisCluster, name string) *corev1.Secret {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.known[secretKey{rc.UID, name}]
	if !ok || !c.now().Before(known.until) {
		return nil
	}
	return known.secret
}

// remember also drops what is too old, so that deleted clusters do not stay in memory.
func (c *SecretControl) remember(rc *redisv1.RedisCluster, secret *corev1.Secret) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	for key, known := range c.known {
		if !now.Before(known.until) {
			delete(c.known, key)
		}
	}
	c.known[secretKey{rc.UID, secret.Name}] = knownSecret{secret: secret, until: now.Add(c.ttl)}
}

func (c *SecretControl) forget(rc *redisv1.RedisCluster, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, secretKey{rc.UID, name})
}

const (
	passwordLength   = 32
	passwordAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

// NewPassword draws a password of 32 letters and digits: 190 bits.
func NewPassword() (string, error) {
	password := make([]byte, passwordLength)
	for i := range password {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(passwordAlphabet))))
		if err != nil {
			return "", fmt.Errorf("new password: %w", err)
		}
		password[i] = passwordAlphabet[n.Int64()]
	}
	return string(password), nil
}
