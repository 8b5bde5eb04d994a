package objects

import (
	corev1 "k8s.io/api/core/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// The keys of the Secrets and of the ConfigMap, which are also the names of the files in the pod.
const (
	KeyRedisConf           = "redis.conf"
	KeyPassword            = "password"
	KeyOperatorPassword    = "operator-password"
	KeyRedisnodePassword   = containerRedisnode + "-password"
	KeyReplicationPassword = "replication-password"
	KeyMoverPassword       = "mover-password"
	KeyCACert              = "ca.crt"
	KeyCAKey               = "ca.key"
)

// InternalKeys are the passwords of the users that clients do not use.
func InternalKeys() []string {
	return []string{KeyOperatorPassword, KeyRedisnodePassword, KeyReplicationPassword, KeyMoverPassword}
}

// NewAuthSecret is the Secret with the password of the user default, for a cluster that names none of its own.
func NewAuthSecret(rc *redisv1.RedisCluster, password string) *corev1.Secret {
	return newSecret(rc, rc.Name+"-auth", map[string][]byte{KeyPassword: []byte(password)})
}

// NewInternalSecret is the Secret with the passwords of the users that clients do not use, by key.
func NewInternalSecret(rc *redisv1.RedisCluster, passwords map[string][]byte) *corev1.Secret {
	return newSecret(rc, rc.InternalSecretName(), passwords)
}

// NewAgentCASecret is the Secret with the certificate authority of the cluster's agents, in PEM. No pod mounts it.
func NewAgentCASecret(rc *redisv1.RedisCluster, caCert, caKey []byte) *corev1.Secret {
	return newSecret(rc, rc.AgentCASecretName(), map[string][]byte{KeyCACert: caCert, KeyCAKey: caKey})
}

// AgentTLS is the certificate that the cluster's agents show each other, in PEM.
type AgentTLS struct {
	CACert []byte
	Cert   []byte
	Key    []byte
}

// NewAgentTLSSecret is the Secret with the agents' certificate, which every pod mounts.
func NewAgentTLSSecret(rc *redisv1.RedisCluster, tls AgentTLS) *corev1.Secret {
	return newSecret(rc, rc.AgentTLSSecretName(), map[string][]byte{
		KeyCACert: tls.CACert, corev1.TLSCertKey: tls.Cert, corev1.TLSPrivateKeyKey: tls.Key,
	})
}

func newSecret(rc *redisv1.RedisCluster, name string, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: owned(rc, name), Type: corev1.SecretTypeOpaque, Data: data}
}
