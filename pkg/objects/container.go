package objects

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// completeRedis makes the user's container a node: it starts when the agent lets it, and is probed through the agent.
func completeRedis(c *corev1.Container) {
	c.Command = []string{binaryInPod, "start"}
	c.Args = nil
	c.Ports = addPorts(c.Ports, port("redis", redisPort), port("bus", busPort))
	c.VolumeMounts = append(c.VolumeMounts,
		corev1.VolumeMount{Name: volumeData, MountPath: pathData},
		corev1.VolumeMount{Name: volumeBinary, MountPath: pathBinary, ReadOnly: true},
		corev1.VolumeMount{Name: volumeRun, MountPath: pathRun},
	)
	// The end of redis-server's log becomes the message of the container's state: a typo in spec.config is named there.
	c.TerminationMessagePolicy = cmp.Or(c.TerminationMessagePolicy, corev1.TerminationMessageFallbackToLogsOnError)

	// A startup probe has a limit, and a node that loads 50 GB must not be killed by one. LOADING is live for the agent.
	c.StartupProbe = nil
	// Ten minutes: longer than the kubelet's longest back-off for a crashing agent. Only the agent can answer, and its
	// absence must not kill a Redis that serves.
	c.LivenessProbe = probe("/live", 10, 60)
	// Readiness means "counts as a copy" to the PodDisruptionBudget: it is to be true to the second.
	c.ReadinessProbe = probe("/ready", 1, 3)
	if c.Lifecycle == nil {
		c.Lifecycle = &corev1.Lifecycle{}
	}
	c.Lifecycle.PreStop = &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{binaryInPod, "stop"}}}
}

// newSidecar is the agent. As an init container that restarts it starts before redis and ends after it, and its
// image can be changed in the running pod. Its post-start hook copies its binary to where the container redis finds
// it: the kubelet starts no further container before the hook has ended, and runs it again with a new image.
func newSidecar(rc *redisv1.RedisCluster, redis corev1.Container, images Images) corev1.Container {
	return corev1.Container{
		Name:            containerRedisnode,
		Image:           images.Redisnode,
		ImagePullPolicy: images.PullPolicy,
		Command:         []string{binaryInImage, "run"},
		RestartPolicy:   new(corev1.ContainerRestartPolicyAlways),
		Ports:           []corev1.ContainerPort{port("agent", agentPort), port("probes", probePort)},
		Env: append([]corev1.EnvVar{
			fromField("POD_NAME", "metadata.name"),
			fromField("POD_NAMESPACE", "metadata.namespace"),
			fromField("POD_UID", "metadata.uid"),
			fromField("POD_IP", "status.podIP"),
			{Name: "CLUSTER_NAME", Value: rc.Name},
			{Name: "CLUSTER_UID", Value: string(rc.UID)},
			{Name: "SERVICE_NAME", Value: rc.ServiceName()},
		}, startEnv(rc)...),
		Resources: agentResources(redis.Resources),
		Lifecycle: &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{
			Exec: &corev1.ExecAction{Command: []string{binaryInImage, "install", pathBinary}},
		}},
		VolumeMounts: []corev1.VolumeMount{
			{Name: volumeBinary, MountPath: pathBinary},
			{Name: volumeData, MountPath: pathData},
			{Name: volumeRun, MountPath: pathRun},
			{Name: volumeConfig, MountPath: pathConfig, ReadOnly: true},
		},
		SecurityContext:          agentSecurityContext(redis.SecurityContext),
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
	}
}

// agentResources are small, and do not take from the pod the class Guaranteed that the user's container asks for:
// that class needs limits that equal the requests in every container. Elsewhere the agent has no limit of CPU, since
// a throttled take-over is a slow one.
func agentResources(redis corev1.ResourceRequirements) corev1.ResourceRequirements {
	list := func(cpu, memory string) corev1.ResourceList {
		l := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)}
		if cpu != "" {
			l[corev1.ResourceCPU] = resource.MustParse(cpu)
		}
		return l
	}
	if guaranteed(redis) {
		return corev1.ResourceRequirements{Requests: list("100m", "64Mi"), Limits: list("100m", "64Mi")}
	}
	return corev1.ResourceRequirements{Requests: list("10m", "32Mi"), Limits: list("", "128Mi")}
}

// guaranteed says whether requests equal limits, for CPU and for memory. A request that is not set is the limit.
func guaranteed(r corev1.ResourceRequirements) bool {
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		limit, limited := r.Limits[name]
		request, requested := r.Requests[name]
		if !limited || requested && request.Cmp(limit) != 0 {
			return false
		}
	}
	return true
}

// addPorts adds ports that the template does not declare itself.
func addPorts(declared []corev1.ContainerPort, added ...corev1.ContainerPort) []corev1.ContainerPort {
	for _, p := range added {
		if !slices.ContainsFunc(declared, func(d corev1.ContainerPort) bool {
			return d.ContainerPort == p.ContainerPort && cmp.Or(d.Protocol, corev1.ProtocolTCP) == p.Protocol
		}) {
			declared = append(declared, p)
		}
	}
	return declared
}

func port(name string, number int32) corev1.ContainerPort {
	return corev1.ContainerPort{Name: name, ContainerPort: number, Protocol: corev1.ProtocolTCP}
}

func probe(path string, periodSeconds, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
			Path: path, Port: intstr.FromInt32(probePort), Scheme: corev1.URISchemeHTTP,
		}},
		PeriodSeconds:    periodSeconds,
		TimeoutSeconds:   2,
		FailureThreshold: failures,
		SuccessThreshold: 1,
	}
}

func fromField(name, path string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path},
	}}
}
