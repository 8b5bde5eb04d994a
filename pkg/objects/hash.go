package objects

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// podFormat is raised when pods that an older operator made must be replaced. Until then a new operator, which may
// render a pod differently, restarts nobody's pods.
const podFormat = 1

// TemplateHash is the hash of what the user wants a pod to be: the pod template, in full, the type of storage, and what
// only the start of redis can bring (start.go).
//
// It is made from the spec and not from the rendered pod, so that neither another redisnode image nor another version
// of the operator makes pods out of date. What changes in a running cluster without new pods is left out: config,
// memory, placement, labels, and the size of volumes; and so is their class, which a pod's claim tells. It is stable:
// empty and absent mean the same, and quantities are compared by value (1000m is 1).
func TemplateHash(rc *redisv1.RedisCluster) string {
	return hashOf(rc, rc.Spec.PodTemplate)
}

// FixedHash is the hash of what cannot change in a running pod: all of that but the resources of container redis.
func FixedHash(rc *redisv1.RedisCluster) string {
	template := rc.Spec.PodTemplate.DeepCopy()
	if redis := containerRedis(template.Spec.Containers); redis != nil {
		redis.Resources = corev1.ResourceRequirements{}
	}
	return hashOf(rc, *template)
}

func hashOf(rc *redisv1.RedisCluster, template corev1.PodTemplateSpec) string {
	text, err := canonicalJSON(struct {
		Format  int
		Storage redisv1.StorageType
		Pod     corev1.PodTemplateSpec
		Modules []redisv1.Module
		Renamed redisv1.RenamedCommands
	}{podFormat, rc.Spec.Storage.Type, template, rc.Spec.Modules, rc.Spec.RenamedCommands})
	if err != nil {
		return "" // Not reached: a type of the API always has a JSON form.
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// UpdateHash is the hash of all that the spec starts a node with: its pod, redis.conf, of which some directives
// are read only then, and the class of its volume. Who agrees to an update agrees to this.
func UpdateHash(rc *redisv1.RedisCluster) string {
	text := TemplateHash(rc) + "\n" + redisConf(rc)
	if class := rc.Spec.Storage.StorageClassName; class != nil {
		text += "\nclass " + *class
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// Outdated says whether a pod was made from another template than the spec has now.
func Outdated(pod *corev1.Pod, rc *redisv1.RedisCluster) bool {
	return pod.Annotations[redisv1.AnnotationTemplateHash] != TemplateHash(rc)
}

// canonicalJSON is JSON with sorted keys and without null, empty objects and empty lists.
func canonicalJSON(value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil, err
	}
	return json.Marshal(prune(tree))
}

// prune returns the tree without its empty branches; nil when nothing is left.
func prune(tree any) any {
	switch t := tree.(type) {
	case map[string]any:
		for key, value := range t {
			if t[key] = prune(value); t[key] == nil {
				delete(t, key)
			}
		}
		if len(t) == 0 {
			return nil
		}
	case []any:
		for i := range t {
			t[i] = prune(t[i])
		}
		if len(t) == 0 {
			return nil
		}
	}
	return tree
}
