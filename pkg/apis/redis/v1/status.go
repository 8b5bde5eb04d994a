package v1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RedisClusterStatus is what the operator saw at its last look. It is written by the operator alone.
type RedisClusterStatus struct {
	// ObservedGeneration is the generation of the spec that this status answers.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions are Ready, Progressing and Degraded; docs/status-conditions.md lists their reasons.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Bootstrapped is true once all slots had an owner. It never becomes false again: from then on no
	// slot is handed out as if the cluster were new.
	// +optional
	Bootstrapped bool `json:"bootstrapped,omitempty"`

	// NumberOfMaster is the number of masters that own slots.
	// +optional
	NumberOfMaster int32 `json:"numberOfMaster"`

	// MinReplicationFactor is the fewest synced replicas that a master has.
	// +optional
	MinReplicationFactor int32 `json:"minReplicationFactor"`

	// MaxReplicationFactor is the most synced replicas that a master has.
	// +optional
	MaxReplicationFactor int32 `json:"maxReplicationFactor"`

	// Replication is MinReplicationFactor-MaxReplicationFactor, for a column of kubectl get.
	// +optional
	Replication string `json:"replication,omitempty"`

	// NodesPlacement is Optimal, or BestEffort when a rule of spread is violated.
	// +optional
	NodesPlacement NodesPlacement `json:"nodesPlacement,omitempty"`

	// PlacementMessage names what is violated when NodesPlacement is BestEffort.
	// +optional
	PlacementMessage string `json:"placementMessage,omitempty"`

	// Pods is the number of pods of the cluster that exist.
	// +optional
	Pods int32 `json:"pods"`

	// PodsReady is the number of pods that are ready: a copy of their shard's data.
	// +optional
	PodsReady int32 `json:"podsReady"`

	// PodsWanted is the number of pods that the spec asks for.
	// +optional
	PodsWanted int32 `json:"podsWanted"`

	// PodsSummary is PodsReady/PodsWanted, for a column of kubectl get.
	// +optional
	PodsSummary string `json:"podsSummary,omitempty"`

	// SlotsAssigned is the number of slots with an owner, of 16384.
	// +optional
	SlotsAssigned int32 `json:"slotsAssigned"`

	// VolumeSize is the most that a bound volume claim asks for, 0 while none is bound: spec.storage.size cannot be less.
	// Absent where data does not outlive a pod.
	// +optional
	VolumeSize *resource.Quantity `json:"volumeSize,omitempty"`

	// Selector selects the pods of this cluster, for the scale subresource.
	// +optional
	Selector string `json:"selector,omitempty"`

	// Nodes are the nodes of the cluster, by pod name.
	// +optional
	// +listType=map
	// +listMapKey=podName
	Nodes []NodeStatus `json:"nodes,omitempty"`

	// FormerNodes are the IDs of nodes whose pods are gone, as long as other nodes still list them. By this the
	// operator tells its own dead from strangers.
	// +optional
	// +listType=set
	FormerNodes []string `json:"formerNodes,omitempty"`

	// Update is how far the pods are what the spec says.
	// +optional
	Update *UpdateStatus `json:"update,omitempty"`

	// Migration is slots on their way to other masters; absent when none are.
	// +optional
	Migration *MigrationStatus `json:"migration,omitempty"`

	// Plan is what the operator would do. It is only there with the annotation redisoperator.io/dry-run: "true", which
	// keeps it from doing so.
	// +optional
	Plan *PlanStatus `json:"plan,omitempty"`
}

// NodesPlacement says whether masters and replicas are spread as they should be.
type NodesPlacement string

// The grades of placement.
const (
	// PlacementOptimal means that no rule of spread is violated.
	PlacementOptimal NodesPlacement = "Optimal"
	// PlacementBestEffort means that the hosts and zones at hand do not allow better, or that it is not reached yet.
	PlacementBestEffort NodesPlacement = "BestEffort"
)

// NodeRole is the role of a node in the API's words.
type NodeRole string

// The roles of a node.
const (
	// RoleMaster owns slots.
	RoleMaster NodeRole = "master"
	// RoleReplica follows a master.
	RoleReplica NodeRole = "replica"
	// RoleNone is a master without slots, or a node that could not be asked.
	RoleNone NodeRole = "none"
)

// NodeStatus is one node of the cluster: a Redis process and its pod.
type NodeStatus struct {
	// PodName is the pod that the node runs in.
	PodName string `json:"podName"`
	// ID is the node's Redis Cluster ID, of 40 hexadecimal digits; empty when it could not be asked.
	// +optional
	ID string `json:"id,omitempty"`
	// Role is master, replica or none.
	// +optional
	Role NodeRole `json:"role,omitempty"`
	// IP is the pod's address.
	// +optional
	IP string `json:"ip,omitempty"`
	// Host is the Kubernetes node that the pod runs on.
	// +optional
	Host string `json:"host,omitempty"`
	// Zone is the zone of the host.
	// +optional
	Zone string `json:"zone,omitempty"`
	// MasterRef is the ID of the master that a replica follows.
	// +optional
	MasterRef string `json:"masterRef,omitempty"`
	// Outdated is true for a pod of another template than the spec's, or with a volume of another class: it is to be
	// replaced.
	// +optional
	Outdated bool `json:"outdated,omitempty"`
	// StorageClass is the class of the pod's volume; empty when it has none.
	// +optional
	StorageClass string `json:"storageClass,omitempty"`
	// Resizing is true for a pod whose memory or processors change to what the spec says while Redis runs.
	// +optional
	Resizing bool `json:"resizing,omitempty"`
	// Slots are the slots that a master owns, as ranges: "0-5460".
	// +optional
	Slots []string `json:"slots,omitempty"`
}
