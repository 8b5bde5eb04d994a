package v1

import "fmt"

// ServiceName is the name of the headless Service of the cluster.
func (rc *RedisCluster) ServiceName() string {
	if rc.Spec.ServiceName != "" {
		return rc.Spec.ServiceName
	}
	return rc.Name
}

// PodName is the name of the pod with this ordinal.
func (rc *RedisCluster) PodName(ordinal int) string { return fmt.Sprintf("%s-%d", rc.Name, ordinal) }

// ClaimName is the name of the volume claim of the pod with this ordinal.
func (rc *RedisCluster) ClaimName(ordinal int) string { return "data-" + rc.PodName(ordinal) }

// AuthSecretName is the Secret with the clients' password.
func (rc *RedisCluster) AuthSecretName() string {
	if rc.Spec.Auth.SecretName != "" {
		return rc.Spec.Auth.SecretName
	}
	return rc.Name + "-auth"
}

// InternalSecretName is the Secret with the passwords of the users that clients do not use.
func (rc *RedisCluster) InternalSecretName() string { return rc.Name + "-internal" }

// AgentCASecretName is the Secret with the certificate authority of the cluster's agents. No pod mounts it.
func (rc *RedisCluster) AgentCASecretName() string { return rc.Name + "-agent-ca" }

// AgentTLSSecretName is the Secret with the certificate that the cluster's agents show each other.
func (rc *RedisCluster) AgentTLSSecretName() string { return rc.Name + "-agent-tls" }

// ConfigMapName is the ConfigMap with redis.conf as the operator writes it, before a pod adds its own lines.
func (rc *RedisCluster) ConfigMapName() string { return rc.Name + "-config" }

// WantedPods is the number of pods that the spec asks for.
func (rc *RedisCluster) WantedPods() int {
	return int(*rc.Spec.NumberOfMaster) * (1 + int(*rc.Spec.ReplicationFactor))
}
