package objects

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// RevisionLimit is how many revisions of a cluster are kept, the one of now among them.
const RevisionLimit = 10

// Revision is what a ControllerRevision keeps of a RedisCluster: what its nodes run, and with which settings. How many
// there are is no part of it: a rollback does not scale.
type Revision struct {
	Spec RevisionSpec `json:"spec"`
}

// RevisionSpec is the part of a spec that a rollback brings back.
type RevisionSpec struct {
	PodTemplate     corev1.PodTemplateSpec  `json:"podTemplate"`
	Config          redisv1.Config          `json:"config,omitempty"`
	Modules         []redisv1.Module        `json:"modules,omitempty"`
	RenamedCommands redisv1.RenamedCommands `json:"renamedCommands,omitempty"`
	Memory          redisv1.MemorySpec      `json:"memory"`
}

// NewRevision is the revision of the spec as it is now. It is named after its content, so that who goes back to an
// earlier spec finds the earlier revision. It has no number yet.
func NewRevision(rc *redisv1.RedisCluster) (*appsv1.ControllerRevision, error) {
	data, err := canonicalJSON(Revision{Spec: RevisionSpec{
		PodTemplate: rc.Spec.PodTemplate, Config: rc.Spec.Config, Memory: rc.Spec.Memory,
		Modules: rc.Spec.Modules, RenamedCommands: rc.Spec.RenamedCommands,
	}})
	if err != nil {
		return nil, fmt.Errorf("revision of %s: %w", rc.Name, err)
	}
	sum := sha256.Sum256(data)
	return &appsv1.ControllerRevision{
		ObjectMeta: owned(rc, rc.Name+"-"+hex.EncodeToString(sum[:8])),
		Data:       runtime.RawExtension{Raw: data},
	}, nil
}

// ParseRevision reads what a ControllerRevision keeps.
func ParseRevision(revision *appsv1.ControllerRevision) (Revision, error) {
	var r Revision
	if err := json.Unmarshal(revision.Data.Raw, &r); err != nil {
		return Revision{}, fmt.Errorf("read revision %s: %w", revision.Name, err)
	}
	return r, nil
}
