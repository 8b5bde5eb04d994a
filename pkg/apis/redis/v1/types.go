package v1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RedisCluster is one Redis Cluster: a number of masters, each with replicas, and the pods they run in.
//
// +genclient
// +genclient:method=GetScale,verb=get,subresource=scale,result=k8s.io/api/autoscaling/v1.Scale
// +genclient:method=UpdateScale,verb=update,subresource=scale,input=k8s.io/api/autoscaling/v1.Scale,result=k8s.io/api/autoscaling/v1.Scale
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=redisclusters,shortName=rdc,categories=all;redis,scope=Namespaced
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.numberOfMaster,statuspath=.status.numberOfMaster,selectorpath=.status.selector
// +kubebuilder:printcolumn:name="Masters",type=integer,JSONPath=`.status.numberOfMaster`,description="masters that own slots"
// +kubebuilder:printcolumn:name="Replication",type=string,JSONPath=`.status.replication`,description="fewest and most replicas of a master"
// +kubebuilder:printcolumn:name="Pods",type=string,JSONPath=`.status.podsSummary`,description="pods that are ready, of those wanted"
// +kubebuilder:printcolumn:name="Placement",type=string,JSONPath=`.status.nodesPlacement`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Progressing")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 43",message="metadata.name must be at most 43 characters: names of pods and Secrets are made from it"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be a DNS label that starts with a letter: a Service is named after it"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.storage.size) || !has(oldSelf.spec.storage.size) || quantity(string(self.spec.storage.size)).compareTo(quantity(string(oldSelf.spec.storage.size))) >= 0 || has(self.status) && has(self.status.volumeSize) && quantity(string(self.spec.storage.size)).compareTo(quantity(string(self.status.volumeSize))) >= 0",message="spec.storage.size cannot be less than the volumes have by now (status.volumeSize): a volume cannot be made smaller"
type RedisCluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what the user wants.
	// +required
	Spec RedisClusterSpec `json:"spec"`

	// Status is what the operator saw at its last look, and what it is doing about it.
	// +optional
	Status RedisClusterStatus `json:"status,omitempty"`
}

// RedisClusterList is a list of RedisClusters.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
type RedisClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []RedisCluster `json:"items"`
}

// RedisClusterSpec is the wanted state of a RedisCluster.
//
// +kubebuilder:validation:XValidation:rule="self.numberOfMaster * (1 + self.replicationFactor) <= 1000",message="spec.numberOfMaster * (1 + spec.replicationFactor) must be at most 1000: the Redis Cluster bus is made for that many nodes"
// +kubebuilder:validation:XValidation:rule=`(has(self.serviceName) ? self.serviceName : "") == (has(oldSelf.serviceName) ? oldSelf.serviceName : "")`,message="spec.serviceName cannot be changed: running nodes find each other by it"
// +kubebuilder:validation:XValidation:rule=`(has(self.auth.secretName) ? self.auth.secretName : "") == (has(oldSelf.auth.secretName) ? oldSelf.auth.secretName : "")`,message="spec.auth.secretName cannot be changed yet: rotation comes with a later release"
// +kubebuilder:validation:XValidation:rule="!has(self.hibernate) || !self.hibernate || self.storage.type == 'PersistentVolumeClaim'",message="spec.hibernate needs spec.storage.type PersistentVolumeClaim: without volumes all data would be gone with the pods"
// +kubebuilder:validation:XValidation:rule="!has(self.storage.persistence) || !has(self.config) || !('appendonly' in self.config)",message="spec.config.appendonly must not be set beside spec.storage.persistence, which says it"
// +kubebuilder:validation:XValidation:rule=`!has(self.storage.persistence) || !has(self.config) || !('save' in self.config) || self.storage.persistence in ['RDB', 'Both'] && self.config['save'].size() > 2`,message="spec.config.save may only say when snapshots are made where spec.storage.persistence is RDB or Both"
// +kubebuilder:validation:XValidation:rule="!has(self.hibernate) || !self.hibernate || !has(self.storage.persistence) || self.storage.persistence != 'None'",message="spec.hibernate needs data on the volumes: spec.storage.persistence is None"
// +kubebuilder:validation:XValidation:rule=`!has(self.hibernate) || !self.hibernate || !has(self.config) || !('shutdown-on-sigterm' in self.config) || !self.config['shutdown-on-sigterm'].lowerAscii().contains('nosave') || !(has(self.storage.persistence) && self.storage.persistence == 'RDB' || 'appendonly' in self.config && self.config['appendonly'].lowerAscii() == 'no')`,message="spec.hibernate needs a snapshot at the end: spec.config.shutdown-on-sigterm is nosave, and there is no append-only file"
// +kubebuilder:validation:XValidation:rule=`!has(self.hibernate) || !self.hibernate || !has(self.config) || !('appendonly' in self.config) || self.config['appendonly'].lowerAscii() != 'no' || !('save' in self.config) || self.config['save'].size() > 2`,message="spec.hibernate needs data on the volumes: spec.config.appendonly is no, and spec.config.save is empty"
// +kubebuilder:validation:XValidation:rule="!has(self.memory) || !has(self.memory.maxmemoryPercent) || (has(self.config) && 'maxmemory' in self.config) || !has(self.podTemplate.spec) || self.podTemplate.spec.containers.exists(c, c.name == 'redis' && has(c.resources) && has(c.resources.limits) && 'memory' in c.resources.limits)",message="spec.memory.maxmemoryPercent needs a memory limit of the container redis in spec.podTemplate: it is a part of it"
type RedisClusterSpec struct {
	// NumberOfMaster is the number of masters, which share the 16384 slots. Redis needs three to
	// agree on a failover. This is the field that `kubectl scale` changes.
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=3
	// +kubebuilder:validation:Maximum=1000
	NumberOfMaster *int32 `json:"numberOfMaster,omitempty"`

	// ReplicationFactor is the number of replicas of each master. With 0 the loss of a pod is the
	// loss of its slots until the pod is back.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=16
	ReplicationFactor *int32 `json:"replicationFactor,omitempty"`

	// ServiceName is the name of the headless Service in front of all pods; the cluster's own name when empty.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^([a-z]([-a-z0-9]*[a-z0-9])?)?$`
	ServiceName string `json:"serviceName,omitempty"`

	// PodTemplate is the pod of a node, as in a Deployment. The container named "redis" carries the
	// unmodified Redis or Valkey image; the operator adds its command, probes and volumes, and the
	// redisnode sidecar.
	// +required
	// +kubebuilder:validation:XValidation:rule="has(self.spec)",message="spec.podTemplate.spec is required"
	// +kubebuilder:validation:XValidation:rule="!has(self.spec) || self.spec.containers.exists(c, c.name == 'redis' && has(c.image) && c.image != '')",message="spec.podTemplate.spec.containers must have a container named \"redis\" with an image"
	// +kubebuilder:validation:XValidation:rule="!has(self.spec) || !self.spec.containers.exists(c, c.name == 'redis' && (has(c.command) || has(c.args)))",message="spec.podTemplate.spec.containers[redis] must not set command or args: the operator starts redis-server; use spec.config for settings"
	// +kubebuilder:validation:XValidation:rule="!has(self.spec) || !self.spec.containers.exists(c, c.name == 'redisnode')",message="spec.podTemplate.spec.containers must not use the reserved name redisnode"
	// +kubebuilder:validation:XValidation:rule="!has(self.spec) || !has(self.spec.initContainers) || !self.spec.initContainers.exists(c, c.name in ['redis', 'redisnode'])",message="spec.podTemplate.spec.initContainers must not use the reserved names redis and redisnode"
	// +kubebuilder:validation:XValidation:rule="!has(self.spec) || !has(self.spec.volumes) || !self.spec.volumes.exists(v, v.name in ['data', 'redisnode', 'redisnode-run', 'redisnode-config'])",message="spec.podTemplate.spec.volumes must not use the reserved names data, redisnode, redisnode-run and redisnode-config"
	PodTemplate corev1.PodTemplateSpec `json:"podTemplate"`

	// AdditionalLabels are put on every object that the operator makes for this cluster.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('redisoperator.io/') && !k.startsWith('app.kubernetes.io/'))",message="spec.additionalLabels must not use the prefixes redisoperator.io/ and app.kubernetes.io/: the operator sets those"
	AdditionalLabels map[string]string `json:"additionalLabels,omitempty"`

	// Storage says where the nodes keep their data.
	// +optional
	// +kubebuilder:default={type: "Ephemeral", retention: "Retain"}
	Storage StorageSpec `json:"storage,omitempty"`

	// Config are redis.conf directives, one value each, for example `maxmemory-policy: allkeys-lru`.
	// Directives that the operator needs for itself are refused by name.
	// +optional
	Config Config `json:"config,omitempty"`

	// Modules are loaded when redis starts, in this order. A change replaces the pods one by one.
	// +optional
	// +listType=map
	// +listMapKey=path
	// +kubebuilder:validation:MaxItems=16
	Modules []Module `json:"modules,omitempty"`

	// RenamedCommands gives commands another name, or none, for example `flushall: ""`: the user default may not run a
	// command with an empty name. Few can have another one. A change replaces the pods one by one.
	// +optional
	RenamedCommands RenamedCommands `json:"renamedCommands,omitempty"`

	// Memory sets maxmemory from the memory limit of the container redis.
	// +optional
	// +kubebuilder:default={}
	Memory MemorySpec `json:"memory,omitempty"`

	// Placement says how masters and replicas are spread over hosts and zones.
	// +optional
	// +kubebuilder:default={}
	Placement PlacementSpec `json:"placement,omitempty"`

	// Disruption says what protects the cluster from voluntary disruptions.
	// +optional
	// +kubebuilder:default={}
	Disruption DisruptionSpec `json:"disruption,omitempty"`

	// Auth names the password that clients use.
	// +optional
	// +kubebuilder:default={}
	Auth AuthSpec `json:"auth,omitempty"`

	// Migration says how slots and their keys move when the number of masters changes.
	// +optional
	// +kubebuilder:default={}
	Migration MigrationSpec `json:"migration,omitempty"`

	// Update says how pods get what has changed.
	// +optional
	// +kubebuilder:default={}
	Update UpdateSpec `json:"update,omitempty"`

	// Maintenance says when what is well may be disturbed.
	// +optional
	// +kubebuilder:default={}
	Maintenance MaintenanceSpec `json:"maintenance,omitempty"`

	// Recovery says what is done by itself when something breaks, where there is a choice to make.
	// +optional
	// +kubebuilder:default={}
	Recovery RecoverySpec `json:"recovery,omitempty"`

	// Paused stops the operator: what it has in hand is brought to an end, a slot that is on its way for example, and
	// nothing else is begun until it is false again. The cluster serves on, and Redis fails over by itself.
	// +optional
	// +kubebuilder:default=false
	Paused bool `json:"paused,omitempty"`

	// Hibernate takes all pods away, replicas first, and keeps volumes, Services, Secrets and who is who. Set to false,
	// the pods come back with all data. It needs volumes.
	// +optional
	// +kubebuilder:default=false
	Hibernate bool `json:"hibernate,omitempty"`
}

// StorageType says whether data outlives a pod.
//
// +kubebuilder:validation:Enum=Ephemeral;PersistentVolumeClaim
type StorageType string

// The kinds of storage.
const (
	// StorageEphemeral is an emptyDir: data outlives a container, not a pod.
	StorageEphemeral StorageType = "Ephemeral"
	// StoragePersistent is one PersistentVolumeClaim a pod: data and identity outlive the pod.
	StoragePersistent StorageType = "PersistentVolumeClaim"
)

// Retention says what becomes of the volumes that no pod needs any more.
//
// +kubebuilder:validation:Enum=Retain;Delete
type Retention string

// What becomes of volumes.
const (
	// RetentionRetain leaves the PersistentVolumeClaims for the user to delete.
	RetentionRetain Retention = "Retain"
	// RetentionDelete deletes the PersistentVolumeClaims with the RedisCluster.
	RetentionDelete Retention = "Delete"
)

// Persistence says what nodes write of their data while they run.
//
// +kubebuilder:validation:Enum=RDB;AOF;Both;None
type Persistence string

// What nodes write.
const (
	// PersistenceRDB is snapshots: what was written since the last one is in memory only.
	PersistenceRDB Persistence = "RDB"
	// PersistenceAOF is the append-only file, which is on the disk within a second.
	PersistenceAOF Persistence = "AOF"
	// PersistenceBoth is the append-only file, which a node starts with, and snapshots beside it.
	PersistenceBoth Persistence = "Both"
	// PersistenceNone is nothing: a node that starts again takes its data from another copy.
	PersistenceNone Persistence = "None"
)

// StorageSpec says where the nodes keep their data.
//
// +kubebuilder:validation:XValidation:rule="self.type == 'PersistentVolumeClaim' || (!has(self.size) && !has(self.storageClassName))",message="spec.storage.size and spec.storage.storageClassName need spec.storage.type PersistentVolumeClaim"
// +kubebuilder:validation:XValidation:rule="self.type == 'Ephemeral' || has(self.size)",message="spec.storage.size is required with spec.storage.type PersistentVolumeClaim"
// +kubebuilder:validation:XValidation:rule="self.type == oldSelf.type",message="spec.storage.type cannot be changed"
// +kubebuilder:validation:XValidation:rule="self.retention == oldSelf.retention",message="spec.storage.retention cannot be changed"
type StorageSpec struct {
	// Type is Ephemeral (an emptyDir) or PersistentVolumeClaim (one volume a pod).
	// +optional
	// +kubebuilder:default=Ephemeral
	Type StorageType `json:"type,omitempty"`

	// Size of each volume, for example 10Gi. A larger one makes the volumes grow, where their class allows it
	// (allowVolumeExpansion). It cannot become less than a volume has.
	// +optional
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).isGreaterThan(quantity('0'))",message="spec.storage.size must be greater than 0"
	Size *resource.Quantity `json:"size,omitempty"`

	// StorageClassName is the class of each volume; the cluster's default class when unset. A volume cannot change its
	// class: when it is of another one than is named here its pod is replaced, as in an update, by one with a new volume,
	// which copies the data from its master. The former volume claim is deleted, also where retention is Retain; its
	// PersistentVolume follows its own reclaim policy.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	StorageClassName *string `json:"storageClassName,omitempty"`

	// Retention says whether volumes are kept or deleted with the RedisCluster, and with the pods that a scale-in takes
	// away.
	// +optional
	// +kubebuilder:default=Retain
	Retention Retention `json:"retention,omitempty"`

	// Persistence says what nodes write of their data while they run: snapshots (RDB), the append-only file (AOF), Both
	// or None. When it is not set it is Both with volumes and None without, and spec.config may set appendonly and save. A
	// change is made at the running nodes; a node that stops to write its append-only file writes a snapshot first.
	// +optional
	Persistence Persistence `json:"persistence,omitempty"`

	// Adopt takes volumes over that a deleted RedisCluster of the same name has left: their data and nodes go on in this
	// one. Without it they are left alone, and the condition VolumeConflict names them.
	// +optional
	// +kubebuilder:default=false
	Adopt bool `json:"adopt,omitempty"`
}

// MemorySpec sets maxmemory.
type MemorySpec struct {
	// MaxmemoryPercent of the memory limit of the container redis becomes maxmemory, unless spec.config sets it: 75 when
	// empty. The rest is head-room: half of it for buffers of replicas (client-output-buffer-limit), half for pages
	// that are copied while a snapshot or a full synchronisation is made. Above 83 the reason NoHeadroom warns of it.
	// +optional
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=100
	MaxmemoryPercent *int32 `json:"maxmemoryPercent,omitempty"`
}

// PlacementSpec says how roles are spread.
type PlacementSpec struct {
	// ZoneAware spreads masters over zones, and keeps a replica out of its master's zone where there
	// is another, by the node label topology.kubernetes.io/zone.
	// +optional
	// +kubebuilder:default=true
	ZoneAware *bool `json:"zoneAware,omitempty"`

	// Failback moves roles back when failovers have left a master and its replica on one host, or masters bunched on
	// one host or in one zone, as soon as a better spread is possible: one planned failover at a time, while nothing
	// else is going on.
	// +optional
	// +kubebuilder:default=true
	Failback *bool `json:"failback,omitempty"`
}

// DisruptionSpec says what protects the cluster from voluntary disruptions.
type DisruptionSpec struct {
	// PodDisruptionBudget makes a PodDisruptionBudget with maxUnavailable 1 over all pods of the cluster.
	// +optional
	// +kubebuilder:default=true
	PodDisruptionBudget *bool `json:"podDisruptionBudget,omitempty"`
}

// AuthSpec names the password that clients use.
type AuthSpec struct {
	// SecretName is a Secret of the same namespace with the key "password", for the user "default".
	// When empty the operator makes one, named <cluster>-auth.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName,omitempty"`
}
