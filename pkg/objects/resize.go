package objects

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// Fixed says whether all that cannot change in a running pod is what the spec says.
func Fixed(pod *corev1.Pod, rc *redisv1.RedisCluster) bool {
	return pod.Annotations[redisv1.AnnotationFixedHash] == FixedHash(rc) && containerRedis(pod.Spec.Containers) != nil
}

// Asked says whether the kubelet of a pod was asked to give container redis the resources of the spec.
func Asked(pod *corev1.Pod, rc *redisv1.RedisCluster) bool {
	has := containerRedis(pod.Spec.Containers)
	return has != nil && equality.Semantic.DeepEqual(completed(has.Resources), wantedResources(rc))
}

// Resizable says whether container redis of a pod can get the resources of the spec while redis runs, of which it may
// have filled the memory that it has at present, in bytes; 0: without a limit. Memory only grows; no resource is added
// or taken away, and the pod's class stays (Kubernetes allows nothing else); and a container that its template has
// start again for it is one for a pod that is replaced.
func Resizable(pod *corev1.Pod, rc *redisv1.RedisCluster, present int64) bool {
	redis := containerRedis(pod.Spec.Containers)
	if !Fixed(pod, rc) || pod.Spec.Resources != nil {
		return false
	}
	has, wants := completed(redis.Resources), wantedResources(rc)
	restarts := slices.ContainsFunc(redis.ResizePolicy, func(p corev1.ContainerResizePolicy) bool {
		changed := changes(has.Limits, wants.Limits)[p.ResourceName] || changes(has.Requests, wants.Requests)[p.ResourceName]
		return changed && p.RestartPolicy == corev1.RestartContainer
	})
	return !restarts && guaranteed(has) == guaranteed(wants) && MemoryLimit(rc) >= present &&
		sameKinds(has.Limits, wants.Limits) && sameKinds(has.Requests, wants.Requests) &&
		equality.Semantic.DeepEqual(has.Claims, wants.Claims)
}

// sameKinds says that what changes is an amount of memory or processors.
func sameKinds(has, wants corev1.ResourceList) bool {
	for name := range changes(has, wants) {
		_, had := has[name]
		_, wanted := wants[name]
		if !had || !wanted || name != corev1.ResourceMemory && name != corev1.ResourceCPU {
			return false
		}
	}
	return true
}

// changes are the resources of which another amount is wanted.
func changes(has, wants corev1.ResourceList) map[corev1.ResourceName]bool {
	names := map[corev1.ResourceName]bool{}
	for _, name := range slices.Concat(slices.Collect(maps.Keys(has)), slices.Collect(maps.Keys(wants))) {
		if had, wanted := has[name], wants[name]; had.Cmp(wanted) != 0 {
			names[name] = true
		}
	}
	return names
}

func wantedResources(rc *redisv1.RedisCluster) corev1.ResourceRequirements {
	if redis := containerRedis(rc.Spec.PodTemplate.Spec.Containers); redis != nil {
		return completed(redis.Resources)
	}
	return corev1.ResourceRequirements{}
}

// completed is resources as the API server completes them: what has a limit and no request requests its limit.
func completed(r corev1.ResourceRequirements) corev1.ResourceRequirements {
	full := *r.DeepCopy()
	for name, limit := range full.Limits {
		if _, set := full.Requests[name]; !set {
			if full.Requests == nil {
				full.Requests = corev1.ResourceList{}
			}
			full.Requests[name] = limit
		}
	}
	return full
}

// NewResize is what changes in a running pod that gets the resources of the spec: it is of no template until it has
// them.
func NewResize(rc *redisv1.RedisCluster, name string, uid types.UID) *corev1.Pod {
	pod := NewResized(rc, name, uid)
	pod.Annotations[redisv1.AnnotationTemplateHash] = ""
	pod.Spec.Containers = []corev1.Container{{Name: redisv1.ContainerRedis, Resources: wantedResources(rc)}}
	return pod
}

// NewResized is what changes in a pod that has got the resources of the spec: it is of the spec's template.
func NewResized(rc *redisv1.RedisCluster, name string, uid types.UID) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: rc.Namespace, Name: name, UID: uid,
		Annotations: map[string]string{redisv1.AnnotationTemplateHash: TemplateHash(rc)},
	}}
}
