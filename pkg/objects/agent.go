package objects

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// AgentImage is the image of the agent in a pod, as the operator asked for it: what is in the pod's spec may have been
// changed by an admission webhook, to another registry for example.
func AgentImage(pod *corev1.Pod) string {
	if image, said := pod.Annotations[redisv1.AnnotationRedisnodeImage]; said {
		return image
	}
	for i := range pod.Spec.InitContainers {
		if pod.Spec.InitContainers[i].Name == containerRedisnode {
			return pod.Spec.InitContainers[i].Image
		}
	}
	return ""
}

// NewAgentImage is what changes in a running pod that gets another agent: nothing but the image can.
func NewAgentImage(rc *redisv1.RedisCluster, name string, uid types.UID, images Images) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: rc.Namespace, Name: name, UID: uid,
			Annotations: map[string]string{redisv1.AnnotationRedisnodeImage: images.Redisnode},
		},
		Spec: corev1.PodSpec{InitContainers: []corev1.Container{{Name: containerRedisnode, Image: images.Redisnode}}},
	}
}
