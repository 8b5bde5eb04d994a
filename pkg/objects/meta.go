package objects

import (
	"maps"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// The ports of a pod, as pkg/agent has them.
const (
	redisPort = 6379
	busPort   = 16379
	agentPort = 16380
	probePort = 16381
)

// Selector are the labels that every pod of the cluster has, and no other pod of the namespace.
func Selector(rc *redisv1.RedisCluster) map[string]string {
	return map[string]string{redisv1.LabelCluster: rc.Name}
}

// Labels are the labels of every object of the cluster: the user's additional ones, and the operator's, which win.
func Labels(rc *redisv1.RedisCluster) map[string]string {
	labels := map[string]string{}
	maps.Copy(labels, rc.Spec.AdditionalLabels)
	maps.Copy(labels, ownLabels(rc))
	return labels
}

func ownLabels(rc *redisv1.RedisCluster) map[string]string {
	return map[string]string{
		"app.kubernetes.io/name":      "redis-cluster",
		"app.kubernetes.io/instance":  rc.Name,
		"app.kubernetes.io/component": "node",
		redisv1.LabelManagedBy:        redisv1.ManagedBy,
		redisv1.LabelCluster:          rc.Name,
		redisv1.LabelClusterUID:       string(rc.UID),
	}
}

// PodIdentity is the labels that say which cluster's and which pod it is: they are given back when somebody takes them
// away.
func PodIdentity(rc *redisv1.RedisCluster, ordinal int) map[string]string {
	labels := ownLabels(rc)
	labels[redisv1.LabelOrdinal] = strconv.Itoa(ordinal)
	return labels
}

// ordinalLabels are the labels of a pod and of its volume claim.
func ordinalLabels(rc *redisv1.RedisCluster, ordinal int) map[string]string {
	labels := Labels(rc)
	labels[redisv1.LabelOrdinal] = strconv.Itoa(ordinal)
	return labels
}

// owned is the metadata of an object that goes when the cluster goes.
func owned(rc *redisv1.RedisCluster, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:            name,
		Namespace:       rc.Namespace,
		Labels:          Labels(rc),
		OwnerReferences: []metav1.OwnerReference{ownerReference(rc)},
	}
}

func ownerReference(rc *redisv1.RedisCluster) metav1.OwnerReference {
	return *metav1.NewControllerRef(rc, redisv1.SchemeGroupVersion.WithKind("RedisCluster"))
}
