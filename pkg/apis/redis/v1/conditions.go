package v1

// The condition types of a RedisCluster.
const (
	// ConditionReady is True when every slot is served, every node finds the cluster in order, every shard has its
	// replicas in sync and every wanted pod is ready.
	ConditionReady = "Ready"
	// ConditionProgressing is True while the operator changes something; its reason and message are those of the decision.
	ConditionProgressing = "Progressing"
	// ConditionDegraded is True when something needs attention that the operator cannot mend, or has not yet.
	ConditionDegraded = "Degraded"
)

// Reasons of the conditions Ready and Degraded that do not come from a decision. The reasons of
// decisions are in pkg/cluster/plan; docs/status-conditions.md lists all of them.
const (
	// ReasonHealthy says that nothing is wrong.
	ReasonHealthy = "Healthy"
	// ReasonSlotsUncovered says that some slots have no owner.
	ReasonSlotsUncovered = "SlotsUncovered"
	// ReasonClusterDown says that a node finds the cluster not in order (cluster_state), and refuses clients.
	ReasonClusterDown = "ClusterDown"
	// ReasonReplicasMissing says that a master has fewer synced replicas than wanted.
	ReasonReplicasMissing = "ReplicasMissing"
	// ReasonPodsNotReady says that a wanted pod is missing or not ready.
	ReasonPodsNotReady = "PodsNotReady"
	// ReasonNodesUnreachable says that a running node could not be asked.
	ReasonNodesUnreachable = "NodesUnreachable"
	// ReasonPodFailing says that a pod cannot be scheduled, pulled, started or given its volume.
	ReasonPodFailing = "PodFailing"
	// ReasonNameConflict says that an object of somebody else has a name that this cluster needs.
	ReasonNameConflict = "NameConflict"
	// ReasonVolumeConflict says that a volume claim holds the data of another RedisCluster.
	ReasonVolumeConflict = "VolumeConflict"
	// ReasonVolumeCannotGrow says that a volume is smaller than spec.storage.size, and its class does not let it grow.
	ReasonVolumeCannotGrow = "VolumeCannotGrow"
	// ReasonVolumeFull says that a node cannot write to its volume: it is full, or broken.
	ReasonVolumeFull = "VolumeFull"
	// ReasonSecretNotFound says that the Secret named by spec.auth.secretName, or its key, is missing.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonInvalidSpec says that an object made from the spec was refused by the API server.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonReconcileError says that the last step or look ended in an error.
	ReasonReconcileError = "ReconcileError"
	// ReasonKeyTooBig says that a slot stays where it is because of a key larger than spec.migration.maxKeyBytes.
	ReasonKeyTooBig = "KeyTooBig"
	// ReasonMoveFailed says that a node refused slots or keys, or did not answer while they were moved.
	ReasonMoveFailed = "MoveFailed"
	// ReasonSyncLoop says that a replica copies its master's data again and again, and does not come into sync.
	ReasonSyncLoop = "SyncLoop"
	// ReasonDryRun says that the annotation redisoperator.io/dry-run is set: status.plan says what would be done.
	ReasonDryRun = "DryRun"
	// ReasonSettingRefused says that a server does not take a directive of spec.config, or its value. Nothing was changed.
	ReasonSettingRefused = "SettingRefused"
	// ReasonSettingKept says that a node keeps a directive that was taken out of the spec: what it has by itself is not
	// known.
	ReasonSettingKept = "SettingKept"
	// ReasonResizeStalled says that the kubelet of a host does not give a running pod the memory and processors of the
	// spec by now: the host has no room, or there was an error.
	ReasonResizeStalled = "ResizeStalled"
	// ReasonNoHeadroom says that maxmemory leaves too little of the memory limit for buffers of replicas and for pages
	// that are copied while a snapshot is made: the kernel may end redis.
	ReasonNoHeadroom = "NoHeadroom"
	// ReasonSlotsNotMeasured says that slots are shared out by bytes, and a node could not say what its slots hold.
	ReasonSlotsNotMeasured = "SlotsNotMeasured"
)
