package kube

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// The keys of the Secrets: docs/architecture.md.
const (
	keyOperatorPassword    = "operator-password"
	keyRedisnodePassword   = "redisnode-password"
	keyReplicationPassword = "replication-password"
	keyCACert              = "ca.crt"
	keyCAKey               = "ca.key"
)

// Credentials are what the operator needs to speak to a cluster's nodes and agents. They do not print.
type Credentials struct {
	Operator    string // password of the user "operator"
	Redisnode   string // password of the user "redisnode"
	Replication string // password of the user "replication"
	CACert      []byte // the authority of the cluster's agents, in PEM
	CAKey       []byte
}

// Format keeps the credentials out of everything that is printed with any verb.
func (Credentials) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, "[credentials]") }

// MarshalJSON keeps the credentials out of everything that is marshalled.
func (Credentials) MarshalJSON() ([]byte, error) { return []byte(`"[credentials]"`), nil }

// Credentials reads the credentials of a cluster from its Secrets; ErrSecretNotFound while they are not made yet.
func (c *SecretControl) Credentials(ctx context.Context, rc *redisv1.RedisCluster) (Credentials, error) {
	internal, err := c.ownKeys(ctx, rc, rc.InternalSecretName(),
		keyOperatorPassword, keyRedisnodePassword, keyReplicationPassword)
	if err != nil {
		return Credentials{}, err
	}
	ca, err := c.ownKeys(ctx, rc, rc.AgentCASecretName(), keyCACert, keyCAKey)
	if err != nil {
		return Credentials{}, err
	}
	return Credentials{
		Operator:    string(internal[keyOperatorPassword]),
		Redisnode:   string(internal[keyRedisnodePassword]),
		Replication: string(internal[keyReplicationPassword]),
		CACert:      ca[keyCACert],
		CAKey:       ca[keyCAKey],
	}, nil
}

// ownKeys is the content of one of the cluster's own Secrets, with all of these keys in it.
func (c *SecretControl) ownKeys(
	ctx context.Context, rc *redisv1.RedisCluster, name string, keys ...string,
) (map[string][]byte, error) {
	secret, err := c.read(ctx, rc, name)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("%w: %s", ErrSecretNotFound, name)
	}
	if err != nil {
		return nil, err
	}
	if err := checkOwner("Secret", secret, rc); err != nil {
		c.forget(rc, name)
		return nil, err
	}
	for _, key := range keys {
		if len(secret.Data[key]) == 0 {
			c.forget(rc, name)
			return nil, fmt.Errorf("%w: %s has no key %q", ErrSecretNotFound, name, key)
		}
	}
	return secret.Data, nil
}
