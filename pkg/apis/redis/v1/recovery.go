package v1

// CrashRecovery says what becomes of a shard whose primary's process has died.
//
// +kubebuilder:validation:Enum=TakeOver;Restart
type CrashRecovery string

// What becomes of a shard whose primary's process has died.
const (
	// CrashTakeOver has the best synced replica take over at once.
	CrashTakeOver CrashRecovery = "TakeOver"
	// CrashRestart starts the primary again with what is on its disk.
	CrashRestart CrashRecovery = "Restart"
)

// LostShardRecovery says what becomes of the slots of a shard that is lost with all its copies.
//
// +kubebuilder:validation:Enum=Manual;Empty
type LostShardRecovery string

// What becomes of the slots of a shard that is lost with all its copies.
const (
	// LostShardManual waits for a person.
	LostShardManual LostShardRecovery = "Manual"
	// LostShardEmpty gives the slots to an empty node: their data is given up.
	LostShardEmpty LostShardRecovery = "Empty"
)

// QuorumRecovery says who has replicas promoted when most masters are gone, so that Redis cannot elect.
//
// +kubebuilder:validation:Enum=Automatic;Manual
type QuorumRecovery string

// Who has replicas promoted when Redis cannot elect.
const (
	// QuorumAutomatic has the operator promote them, once the masters are proven to be gone, or nobody hears from their
	// hosts any more.
	QuorumAutomatic QuorumRecovery = "Automatic"
	// QuorumManual waits for a person.
	QuorumManual QuorumRecovery = "Manual"
)

// RecoverySpec says what is done by itself when something breaks, where there is a choice to make.
type RecoverySpec struct {
	// Crash says what becomes of a shard whose primary's process has died. TakeOver has the best synced replica take
	// over at once: the shard is back within a blink, without the writes of its last moment that had not reached the
	// replica. Restart starts the primary again with what is on its disk, for users of an append-only file who would
	// rather wait than miss those writes; without a data set on disk the replica takes over all the same.
	// +optional
	// +kubebuilder:default=TakeOver
	Crash CrashRecovery `json:"crash,omitempty"`

	// LostShard says what becomes of the slots of a shard that is lost with all its copies. Manual waits, and the
	// condition says what to run. Empty gives the slots to an empty node, and an event names them: THEIR DATA IS
	// GIVEN UP, which suits a cache.
	// +optional
	// +kubebuilder:default=Manual
	LostShard LostShardRecovery `json:"lostShard,omitempty"`

	// Quorum says who has replicas promoted when so many masters are gone at once that Redis cannot elect: the
	// operator, once they are proven to be gone or nobody hears from their hosts, Kubernetes and the other nodes neither
	// (Automatic), or a person (Manual). Automatic gives up what clients write at the same time on the far side of a
	// partition.
	// +optional
	// +kubebuilder:default=Automatic
	Quorum QuorumRecovery `json:"quorum,omitempty"`
}
