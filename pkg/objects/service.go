package objects

import (
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// NewService is the headless Service of all pods, ready or not: a node finds its peers by it before any is ready.
func NewService(rc *redisv1.RedisCluster) *corev1.Service {
	servicePort := func(name string, number int32) corev1.ServicePort {
		return corev1.ServicePort{
			Name: name, Port: number, TargetPort: intstr.FromInt32(number), Protocol: corev1.ProtocolTCP,
		}
	}
	return &corev1.Service{
		ObjectMeta: owned(rc, rc.ServiceName()),
		Spec: corev1.ServiceSpec{
			Type:                     corev1.ServiceTypeClusterIP,
			ClusterIP:                corev1.ClusterIPNone,
			PublishNotReadyAddresses: true,
			Selector:                 Selector(rc),
			Ports: []corev1.ServicePort{
				servicePort("redis", redisPort), servicePort("bus", busPort), servicePort("agent", agentPort),
			},
		},
	}
}

// NewServiceAccount is what the pods run as. It has no rights and no token.
func NewServiceAccount(rc *redisv1.RedisCluster) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: owned(rc, rc.Name), AutomountServiceAccountToken: new(false)}
}

// NewPodDisruptionBudget lets one pod of the cluster be evicted at a time; nil when the spec wants no budget. The
// number of pods that exist counts when it is higher than what the spec asks for: before they are drained, surplus
// pods hold data too.
//
// It is minAvailable and not maxUnavailable, because for maxUnavailable Kubernetes asks the owner's scale subresource
// how many pods there should be, and ours answers the number of masters: of 3+3 pods four could be evicted at once.
//
// A pod that is not ready is evicted only while all others are (IfHealthyBudget): ready means "counts as a copy", and
// a node that still loads its data, or waits for its replica, may hold the last one. AlwaysAllow would let a drain
// take it.
func NewPodDisruptionBudget(rc *redisv1.RedisCluster, pods int) *policyv1.PodDisruptionBudget {
	if wanted := rc.Spec.Disruption.PodDisruptionBudget; wanted != nil && !*wanted {
		return nil
	}
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: owned(rc, rc.Name),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable:               new(intstr.FromInt(max(pods, rc.WantedPods()) - 1)),
			Selector:                   &metav1.LabelSelector{MatchLabels: Selector(rc)},
			UnhealthyPodEvictionPolicy: new(policyv1.IfHealthyBudget),
		},
	}
}
