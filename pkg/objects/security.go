package objects

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// redisUser is the user and the group of redis in the images of Redis and of Valkey.
const redisUser = 999

// restrict fills what the template leaves open so that the pod passes Pod Security "restricted". What the template
// sets it keeps: who asks for a privilege gets it, or the namespace's refusal.
func restrict(spec *corev1.PodSpec) {
	if spec.SecurityContext == nil {
		spec.SecurityContext = &corev1.PodSecurityContext{}
	}
	pod := spec.SecurityContext
	setDefault(&pod.RunAsUser, int64(redisUser))
	setDefault(&pod.RunAsGroup, int64(redisUser))
	setDefault(&pod.FSGroup, int64(redisUser))
	// A volume with many files is not walked again at each start of a pod.
	setDefault(&pod.FSGroupChangePolicy, corev1.FSGroupChangeOnRootMismatch)
	setDefault(&pod.SeccompProfile, corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault})
	if *pod.RunAsUser != 0 {
		setDefault(&pod.RunAsNonRoot, true)
	}
	for i := range spec.InitContainers {
		restrictContainer(&spec.InitContainers[i])
	}
	for i := range spec.Containers {
		c := &spec.Containers[i]
		restrictContainer(c)
		if c.Name == redisv1.ContainerRedis {
			setDefault(&c.SecurityContext.ReadOnlyRootFilesystem, true)
		}
	}
}

// restrictContainer does not make a file system read-only: the containers that the user brings may need theirs.
func restrictContainer(c *corev1.Container) {
	if c.SecurityContext == nil {
		c.SecurityContext = &corev1.SecurityContext{}
	}
	s := c.SecurityContext
	if s.Capabilities == nil {
		s.Capabilities = &corev1.Capabilities{}
	}
	if privileged(s) {
		return // The API server refuses a privileged container that must not escalate.
	}
	setDefault(&s.AllowPrivilegeEscalation, false)
	if len(s.Capabilities.Drop) == 0 {
		s.Capabilities.Drop = []corev1.Capability{"ALL"}
	}
}

func privileged(s *corev1.SecurityContext) bool {
	return s.Privileged != nil && *s.Privileged || slices.Contains(s.Capabilities.Add, "SYS_ADMIN") ||
		slices.Contains(s.Capabilities.Add, "CAP_SYS_ADMIN")
}

// agentSecurityContext is fully restricted. The agent is the same user as redis, because they share sockets and
// files, whether the template names that user for the pod or for the container.
func agentSecurityContext(redis *corev1.SecurityContext) *corev1.SecurityContext {
	s := &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false),
		ReadOnlyRootFilesystem:   new(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
	if redis != nil {
		s.RunAsUser, s.RunAsGroup, s.RunAsNonRoot = redis.RunAsUser, redis.RunAsGroup, redis.RunAsNonRoot
	}
	return s
}
