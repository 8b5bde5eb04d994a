package v1

// UpdateStrategy says how far a change of the pods goes by itself.
//
// +kubebuilder:validation:Enum=Automatic;Supervised
type UpdateStrategy string

// How far a change of the pods goes by itself.
const (
	// UpdateAutomatic replaces all pods, one after the other.
	UpdateAutomatic UpdateStrategy = "Automatic"
	// UpdateSupervised replaces replicas, and waits for a person before it comes to masters.
	UpdateSupervised UpdateStrategy = "Supervised"
)

// RedisnodeUpdate says when a running pod gets the agent of a new operator.
//
// +kubebuilder:validation:Enum=Automatic;WithPods
type RedisnodeUpdate string

// When a running pod gets the agent of a new operator.
const (
	// RedisnodeAutomatic changes it in the running pod.
	RedisnodeAutomatic RedisnodeUpdate = "Automatic"
	// RedisnodeWithPods leaves it as it is until the pod is replaced.
	RedisnodeWithPods RedisnodeUpdate = "WithPods"
)

// UpdateSpec says how pods get what has changed: spec.podTemplate, or the agent of a new operator.
type UpdateSpec struct {
	// Strategy says how far a change goes by itself for which pods are replaced: of spec.podTemplate, or of a setting
	// that is only read at the start. Automatic replaces all pods, one at a time: replicas first, and a master once a
	// replica has taken its place. Supervised stops before masters, until somebody has run kubectl redis-cluster approve.
	// +optional
	// +kubebuilder:default=Automatic
	Strategy UpdateStrategy `json:"strategy,omitempty"`

	// MaxUnavailable is how many pods of the cluster are replaced at the same time.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:XValidation:rule="self == 1",message="spec.update.maxUnavailable must be 1: one pod of a cluster is replaced at a time"
	MaxUnavailable *int32 `json:"maxUnavailable,omitempty"`

	// Redisnode says when running pods get the agent of a new operator. Automatic changes it in the running pods, one at
	// a time: only the agent starts again, Redis runs on. WithPods leaves it as it is until the pod is replaced.
	// +optional
	// +kubebuilder:default=Automatic
	Redisnode RedisnodeUpdate `json:"redisnode,omitempty"`
}

// UpdateStatus is how far the pods are what the spec says.
type UpdateStatus struct {
	// Revision is the hash of what nodes are started with by the spec: the template of their pods, and redis.conf. An
	// approval is for one revision.
	// +optional
	Revision string `json:"revision,omitempty"`
	// UpdatedPods is the number of pods that need not be replaced for it.
	// +optional
	UpdatedPods int32 `json:"updatedPods"`
}
