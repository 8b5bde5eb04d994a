package objects

import (
	corev1 "k8s.io/api/core/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// NewConfigMap holds redis.conf as far as it is the same for every pod.
func NewConfigMap(rc *redisv1.RedisCluster) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: owned(rc, rc.ConfigMapName()),
		Data:       map[string]string{KeyRedisConf: ""},
	}
}
