package plan

// The reasons of decisions. They are stable: people's alerts name them. docs/status-conditions.md is made from
// these comments.
const (
	// ReplacingEndedPod means that a pod was evicted or has ended, cannot run again, and is replaced.
	ReplacingEndedPod = "ReplacingEndedPod"
	// ReplacingLostPod means that the host of a pod is gone for good, and the pod is replaced.
	ReplacingLostPod = "ReplacingLostPod"
	// ReplacingStuckPod means that a pod of an older spec never started Redis, and is replaced by one of the new spec.
	ReplacingStuckPod = "ReplacingStuckPod"
	// ReplacingBrokenPod means that Redis does not run in a pod of an older spec, and the pod is replaced by one of the
	// new spec.
	ReplacingBrokenPod = "ReplacingBrokenPod"
	// RollingUpdate means that pods of an older spec, or with a volume of another class, are replaced, one at a time.
	RollingUpdate = "RollingUpdate"
	// ResizingPods means that running pods get the memory and processors of the spec from their kubelets. Redis runs on.
	ResizingPods = "ResizingPods"
	// UpdateAwaitsApproval means that what is left of an update are primaries, and that spec.update.strategy is
	// Supervised. The message says what to run.
	UpdateAwaitsApproval = "UpdateAwaitsApproval"
	// AwaitingWindow means that pods of an older spec are not replaced, or roles not moved to a better placement, before a
	// window of spec.maintenance.windows opens. The message says when.
	AwaitingWindow = "AwaitingWindow"
	// HostInMaintenance means that pods of an older spec are not replaced while the hosts that their volumes are on are
	// cordoned or not ready: they would not come back.
	HostInMaintenance = "HostInMaintenance"
	// DowngradeRefused means that a replica runs a version that cannot read its primary's data. The update stops there.
	DowngradeRefused = "DowngradeRefused"
	// UpdatingAgents means that the agents in running pods get the operator's image, one at a time. Redis runs on.
	UpdatingAgents = "UpdatingAgents"
	// DeletingSurplusPod means that a pod is deleted that is no longer wanted and holds nothing that is needed.
	DeletingSurplusPod = "DeletingSurplusPod"
	// CreatingPods means that pods that are wanted do not exist, and are created.
	CreatingPods = "CreatingPods"
	// TwinNodes means that two pods have the same node ID, as when a volume was copied. Nothing is done until one is gone.
	TwinNodes = "TwinNodes"
	// ForeignNodes means that nodes know a live node that is in no pod of this cluster. Nothing is done until it is gone.
	ForeignNodes = "ForeignNodes"
	// WaitingForPods means that pods are not scheduled, not started, or not gone yet.
	WaitingForPods = "WaitingForPods"
	// WaitingForNodes means that Redis in a running pod does not answer, or still loads its data.
	WaitingForNodes = "WaitingForNodes"
	// AddingSlots means that slots are given to primaries, once in a cluster's life.
	AddingSlots = "AddingSlots"
	// MeetingNodes means that nodes are introduced to each other, or told each other's new addresses.
	MeetingNodes = "MeetingNodes"
	// BusBlocked means that nodes have been introduced to each other for a quarter of a minute and know nobody yet: their
	// pods do not reach each other at the port of the cluster bus.
	BusBlocked = "BusBlocked"
	// ForgettingNodes means that nodes whose pods are gone are removed from the tables of all others.
	ForgettingNodes = "ForgettingNodes"
	// AttachingReplicas means that nodes without slots are made replicas.
	AttachingReplicas = "AttachingReplicas"
	// WaitingForFailover means that a primary is dead or gone, and a replica of it is to take over.
	WaitingForFailover = "WaitingForFailover"
	// QuorumLost means that so many primaries are gone that Redis cannot elect, and the operator may not promote their
	// replicas yet: it is not proven that they are dead, or spec.recovery.quorum is Manual. The message says what to run.
	QuorumLost = "QuorumLost"
	// SlotsUncovered means that slots have no owner any more, and no copy. They are not given away silently: the message
	// says what to run to give up their data.
	SlotsUncovered = "SlotsUncovered"
	// DataLost means that slots whose data was lost with all its copies are given out again, empty.
	DataLost = "DataLost"
	// StrayKeys means that a node without slots holds keys, so that making it a replica would delete them.
	StrayKeys = "StrayKeys"
	// WaitingForSync means that replicas copy their primary's data.
	WaitingForSync = "WaitingForSync"
	// WaitingForClusterState means that the nodes have yet to agree, or to find the cluster in order.
	WaitingForClusterState = "WaitingForClusterState"
	// ClosingSlots means that moves of slots that were cut in the middle are finished or taken back.
	ClosingSlots = "ClosingSlots"
	// PromotingReplica means that a replica takes the place of a primary that is proven dead, and whom Redis does not
	// replace.
	PromotingReplica = "PromotingReplica"
	// DrainingShards means that the slots of shards that leave are moved to those that stay.
	DrainingShards = "DrainingShards"
	// MovingSlots means that slots are moved until every shard has its share.
	MovingSlots = "MovingSlots"
	// RestoringPlacement means that a primary hands over to a replica, so that primaries are spread over hosts and zones
	// again.
	RestoringPlacement = "RestoringPlacement"
	// ApplyingSettings means that nodes are told directives that the spec has changed, while they run.
	ApplyingSettings = "ApplyingSettings"
	// SlotsHalfMoved means that slots are half way to a node that is not there: the keys that have gone are with it.
	SlotsHalfMoved = "SlotsHalfMoved"
	// DataDoesNotFit means that slots are not moved because their data does not fit where it would have to go.
	DataDoesNotFit = "DataDoesNotFit"
	// Paused means that spec.paused is true: nothing is begun, and nothing is repaired.
	Paused = "Paused"
	// WaitingToHibernate means that spec.hibernate is true, and no pod stops before what it has is safe on its volume.
	WaitingToHibernate = "WaitingToHibernate"
	// Hibernating means that spec.hibernate is true, and pods stop, replicas first.
	Hibernating = "Hibernating"
	// Hibernated means that spec.hibernate is true: there are no pods, and the volumes have all data.
	Hibernated = "Hibernated"
	// Converged means that everything is as the spec wants it.
	Converged = "Converged"
)
