package objects

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// Images are the images that the operator adds to a pod.
type Images struct {
	Redisnode  string
	PullPolicy corev1.PullPolicy
}

// The names and paths of the pod: docs/architecture.md, "The pod".
const (
	containerRedisnode = "redisnode"

	volumeData   = "data"
	volumeBinary = "redisnode"
	volumeRun    = "redisnode-run"
	volumeConfig = "redisnode-config"

	pathData   = "/data"
	pathBinary = "/opt/redisnode"
	pathRun    = "/run/redisnode"
	pathConfig = "/etc/redisnode"

	binaryInImage = "/redisnode"
	binaryInPod   = pathBinary + "/redisnode"

	annotationDefaultContainer = "kubectl.kubernetes.io/default-container"

	// defaultGracePeriodSeconds leaves time for the hand-over of a primary and for the end of the process.
	defaultGracePeriodSeconds = 60
)

// NewPod is the pod with this ordinal: the user's template in full, and what makes it a node of the cluster.
//
// The operator owns of the container redis: command, args, probes and the preStop hook. Everything else that the
// template sets is kept, and what it leaves open is filled so that the pod passes Pod Security "restricted".
// The pod never depends on the ordinal but by its name, hostname, label and claim.
func NewPod(rc *redisv1.RedisCluster, ordinal int, images Images) *corev1.Pod {
	template := rc.Spec.PodTemplate.DeepCopy()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name:            rc.PodName(ordinal),
			Namespace:       rc.Namespace,
			Labels:          map[string]string{},
			Annotations:     map[string]string{annotationDefaultContainer: redisv1.ContainerRedis},
			OwnerReferences: []metav1.OwnerReference{ownerReference(rc)},
		},
		Spec: template.Spec,
	}
	maps.Copy(pod.Labels, template.Labels)
	maps.Copy(pod.Labels, ordinalLabels(rc, ordinal))
	maps.Copy(pod.Annotations, template.Annotations)
	pod.Annotations[redisv1.AnnotationTemplateHash] = TemplateHash(rc)
	pod.Annotations[redisv1.AnnotationFixedHash] = FixedHash(rc)
	pod.Annotations[redisv1.AnnotationRedisnodeImage] = images.Redisnode

	spec := &pod.Spec
	identify(spec, rc, pod.Name)
	redis := redisContainer(spec)
	spec.InitContainers = append(spec.InitContainers, newSidecar(rc, *redis, images))
	completeRedis(redis)
	spec.Volumes = append(spec.Volumes, newVolumes(rc, ordinal)...)
	spread(spec, rc)
	restrict(spec)
	return pod
}

// identify gives the pod its stable name in the network and takes from it what a data pod has no use for.
func identify(spec *corev1.PodSpec, rc *redisv1.RedisCluster, name string) {
	spec.Hostname = name
	spec.Subdomain = rc.ServiceName()
	spec.RestartPolicy = corev1.RestartPolicyAlways
	spec.ServiceAccountName = cmp.Or(spec.ServiceAccountName, spec.DeprecatedServiceAccount, rc.Name)
	spec.DeprecatedServiceAccount = ""
	setDefault(&spec.AutomountServiceAccountToken, false)
	setDefault(&spec.EnableServiceLinks, false)
	setDefault(&spec.TerminationGracePeriodSeconds, int64(defaultGracePeriodSeconds))
}

// redisContainer is the container redis of the template. The API server refuses a template without one; should one
// get here all the same, the container that is added has no image, and the API server says so.
func redisContainer(spec *corev1.PodSpec) *corev1.Container {
	if redis := containerRedis(spec.Containers); redis != nil {
		return redis
	}
	spec.Containers = append(spec.Containers, corev1.Container{Name: redisv1.ContainerRedis})
	return &spec.Containers[len(spec.Containers)-1]
}

// containerRedis is the container redis; nil when there is none.
func containerRedis(containers []corev1.Container) *corev1.Container {
	for i := range containers {
		if containers[i].Name == redisv1.ContainerRedis {
			return &containers[i]
		}
	}
	return nil
}

// newVolumes are the four volumes of docs/architecture.md.
func newVolumes(rc *redisv1.RedisCluster, ordinal int) []corev1.Volume {
	data := corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
	if rc.Spec.Storage.Type == redisv1.StoragePersistent {
		data = corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{
			ClaimName: rc.ClaimName(ordinal),
		}}
	}
	return []corev1.Volume{
		{Name: volumeData, VolumeSource: data},
		{Name: volumeBinary, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		// In memory: it holds passwords (redis.conf, users.acl), which must not reach a disk.
		{Name: volumeRun, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{
			Medium: corev1.StorageMediumMemory,
		}}},
		{Name: volumeConfig, VolumeSource: corev1.VolumeSource{Projected: newConfigVolume(rc)}},
	}
}

// KeepsData says that what a pod's node has is on a volume that outlives the pod.
func KeepsData(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.Name == volumeData && v.PersistentVolumeClaim != nil
	})
}

// newConfigVolume projects what the agent reads into one directory. The group of the pod may read it, nobody else.
func newConfigVolume(rc *redisv1.RedisCluster) *corev1.ProjectedVolumeSource {
	fromSecret := func(name string, items ...corev1.KeyToPath) corev1.VolumeProjection {
		return corev1.VolumeProjection{Secret: &corev1.SecretProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: name}, Items: items,
		}}
	}
	as := func(key, path string) corev1.KeyToPath { return corev1.KeyToPath{Key: key, Path: path} }
	return &corev1.ProjectedVolumeSource{
		DefaultMode: new(int32(0o440)),
		Sources: []corev1.VolumeProjection{
			{ConfigMap: &corev1.ConfigMapProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: rc.ConfigMapName()},
				Items:                []corev1.KeyToPath{as(KeyRedisConf, KeyRedisConf)},
			}},
			fromSecret(rc.AuthSecretName(), as(KeyPassword, KeyPassword)),
			fromSecret(rc.InternalSecretName(),
				as(KeyOperatorPassword, KeyOperatorPassword),
				as(KeyRedisnodePassword, KeyRedisnodePassword),
				as(KeyReplicationPassword, KeyReplicationPassword),
				as(KeyMoverPassword, KeyMoverPassword)),
			fromSecret(rc.AgentTLSSecretName(),
				as(KeyCACert, "tls/"+KeyCACert),
				as(corev1.TLSCertKey, "tls/"+corev1.TLSCertKey),
				as(corev1.TLSPrivateKeyKey, "tls/"+corev1.TLSPrivateKeyKey)),
		},
	}
}

// spread keeps the pods apart, softly: a cluster on fewer hosts than pods is better than no cluster. What the template
// says about spread replaces what the operator would say.
func spread(spec *corev1.PodSpec, rc *redisv1.RedisCluster) {
	selector := &metav1.LabelSelector{MatchLabels: Selector(rc)}
	if len(spec.TopologySpreadConstraints) == 0 {
		keys := []string{corev1.LabelHostname}
		if rc.Spec.Placement.ZoneAware == nil || *rc.Spec.Placement.ZoneAware {
			keys = []string{corev1.LabelTopologyZone, corev1.LabelHostname}
		}
		for _, key := range keys {
			spec.TopologySpreadConstraints = append(spec.TopologySpreadConstraints, corev1.TopologySpreadConstraint{
				MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: corev1.ScheduleAnyway, LabelSelector: selector,
			})
		}
	}
	if spec.Affinity == nil {
		spec.Affinity = &corev1.Affinity{}
	}
	if spec.Affinity.PodAntiAffinity == nil {
		spec.Affinity.PodAntiAffinity = &corev1.PodAntiAffinity{
			PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{
				Weight:          100,
				PodAffinityTerm: corev1.PodAffinityTerm{TopologyKey: corev1.LabelHostname, LabelSelector: selector},
			}},
		}
	}
}

// setDefault sets what is unset.
func setDefault[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}
