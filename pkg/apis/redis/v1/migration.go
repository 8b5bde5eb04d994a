package v1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Balance says by what slots are shared out.
//
// +kubebuilder:validation:Enum=Slots;Bytes
type Balance string

// What shares are counted in.
const (
	// BalanceSlots gives every master the same number of slots.
	BalanceSlots Balance = "Slots"
	// BalanceBytes gives every master slots of the same weight.
	BalanceBytes Balance = "Bytes"
)

// MigrationEngine says how slots are moved.
//
// +kubebuilder:validation:Enum=Auto;Classic;SlotsOnly
type MigrationEngine string

// The engines.
const (
	// EngineAuto lets the servers move whole slots where both can (Valkey 9, Redis 8.4), and moves key by key elsewhere.
	EngineAuto MigrationEngine = "Auto"
	// EngineClassic moves key by key, which every server can.
	EngineClassic MigrationEngine = "Classic"
	// EngineSlotsOnly moves only who owns the slots. Their keys are dropped.
	EngineSlotsOnly MigrationEngine = "SlotsOnly"
)

// MigrationProfile says what moving key by key cares for most.
//
// +kubebuilder:validation:Enum=Latency;Throughput
type MigrationProfile string

// The profiles.
const (
	// ProfileLatency keeps pauses below what clients notice.
	ProfileLatency MigrationProfile = "Latency"
	// ProfileThroughput is done soonest.
	ProfileThroughput MigrationProfile = "Throughput"
)

// MigrationSpec says how slots and their keys move when the number of masters changes.
type MigrationSpec struct {
	// Balance says by what the slots are shared out among the masters: Slots gives each the same number of
	// slots, Bytes slots that hold the same amount of data. Bytes are measured from time to time, and small
	// differences are left alone.
	// +optional
	// +kubebuilder:default=Slots
	Balance Balance `json:"balance,omitempty"`

	// Engine says how slots are moved. Auto lets the servers move whole slots where both can (Valkey 9, Redis
	// 8.4), and moves key by key elsewhere. Classic always moves key by key. SlotsOnly moves only who owns the
	// slots, and THE KEYS OF A MOVED SLOT ARE DROPPED: for caches.
	// +optional
	// +kubebuilder:default=Auto
	Engine MigrationEngine `json:"engine,omitempty"`

	// Profile says what moving key by key cares for most: Latency keeps pauses below what clients notice,
	// Throughput is done soonest.
	// +optional
	// +kubebuilder:default=Latency
	Profile MigrationProfile `json:"profile,omitempty"`

	// MaxBatchMillis bounds how long a master is busy with one batch of keys, in milliseconds. One key that
	// takes longer is a batch of its own.
	// +optional
	// +kubebuilder:default=5
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxBatchMillis *int32 `json:"maxBatchMillis,omitempty"`

	// MaxKeyBytes is the largest key that is moved key by key, in bytes of memory: moving a key stops both
	// masters for as long as it takes. The slot of a larger key stays where it is, and the condition Degraded
	// names the key. 0 means no limit.
	// +optional
	// +kubebuilder:default="64Mi"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('0')) >= 0",message="spec.migration.maxKeyBytes must not be negative; 0 means no limit"
	MaxKeyBytes *resource.Quantity `json:"maxKeyBytes,omitempty"`

	// Parallelism bounds the pairs of masters between which slots move at the same time. 0 means all.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=64
	Parallelism *int32 `json:"parallelism,omitempty"`
}

// The events that tell of slots that move: one where the first begins, and one, with the totals, where the last has
// come to its new owner.
const (
	EventMigrationStarted   = "MigrationStarted"
	EventMigrationCompleted = "MigrationCompleted"
	// EventClaimDeleted tells of a volume claim that a scale-in has left and spec.storage.retention is Delete for, or that
	// was of another class than spec.storage.storageClassName.
	EventClaimDeleted = "ClaimDeleted"
	// EventTookOver tells of a replica that has taken over from a primary that died, and what it may have lost.
	EventTookOver = "TookOver"
	// EventWritesGivenUp tells of a primary that has found itself replaced, and took writes that its successor lacks.
	EventWritesGivenUp = "WritesGivenUp"
	// EventWaitingAtGate tells of a pod, as an event of it, in which redis is not started yet, and what for.
	EventWaitingAtGate = "WaitingAtGate"
)

// The most that a status holds of what has no end of its own.
const (
	MaxMigrationPairs = 64
	MaxBlockedSlots   = 16
	MaxPlanSteps      = 64
	MaxPlanPods       = 1000
	// MaxKeyName is the length to which the name of a key is cut.
	MaxKeyName = 256
)

// MigrationStatus is slots on their way to other masters.
type MigrationStatus struct {
	// StartTime is when the first slot began to move.
	StartTime metav1.Time `json:"startTime"`

	// SlotsMoved is the number of slots that have their new owner since then.
	SlotsMoved int32 `json:"slotsMoved"`

	// SlotsLeft is the number of slots that are still to move.
	SlotsLeft int32 `json:"slotsLeft"`

	// KeysMoved is the number of keys that were moved.
	KeysMoved int64 `json:"keysMoved"`

	// BytesMoved is the memory that those keys take, estimated.
	BytesMoved int64 `json:"bytesMoved"`

	// KeysPerSecond is how many keys moved in a second of the last step.
	// +optional
	KeysPerSecond int64 `json:"keysPerSecond,omitempty"`

	// BytesPerSecond is how many bytes moved in a second of the last step.
	// +optional
	BytesPerSecond int64 `json:"bytesPerSecond,omitempty"`

	// EstimatedCompletionTime is when the last slot will have moved, if it goes on like until now.
	// +optional
	EstimatedCompletionTime *metav1.Time `json:"estimatedCompletionTime,omitempty"`

	// Pairs are the masters between which slots are still to move, those with the most slots first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Pairs []MigrationPair `json:"pairs,omitempty"`

	// Blocked are slots that stay where they are until somebody does something about it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Blocked []BlockedSlot `json:"blocked,omitempty"`
}

// MigrationPair is slots that are to go from one master to another.
type MigrationPair struct {
	// From is the pod of the master that owns the slots.
	From string `json:"from"`
	// To is the pod of the master that gets them.
	To string `json:"to"`
	// SlotsLeft is the number of slots that are still to move.
	SlotsLeft int32 `json:"slotsLeft"`
}

// BlockedSlot is a slot that cannot move because of one key.
type BlockedSlot struct {
	// Slot is the number of the slot.
	Slot int32 `json:"slot"`
	// Key is the name of the key that is larger than spec.migration.maxKeyBytes, as Redis prints it.
	Key string `json:"key"`
	// Bytes is the memory that the key takes.
	Bytes int64 `json:"bytes"`
	// PodName is the pod of the master that has it.
	PodName string `json:"podName"`
}

// PlanStatus is what the operator would do if the annotation redisoperator.io/dry-run were taken away.
type PlanStatus struct {
	// Steps are what would be done, in order, one sentence each.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Steps []string `json:"steps,omitempty"`

	// PodsCreated are the pods that would be created.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	PodsCreated []string `json:"podsCreated,omitempty"`

	// PodsDeleted are the pods that would be deleted.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	PodsDeleted []string `json:"podsDeleted,omitempty"`

	// Slots is the number of slots that would move.
	// +optional
	Slots int32 `json:"slots"`

	// Keys is the number of keys that would move with them, estimated.
	// +optional
	Keys int64 `json:"keys"`

	// Bytes is the memory that those keys take, estimated.
	// +optional
	Bytes int64 `json:"bytes"`

	// EstimatedSeconds is how long moving them would take.
	// +optional
	EstimatedSeconds int64 `json:"estimatedSeconds"`

	// Refused says why it would not be done, when it would not.
	// +optional
	Refused string `json:"refused,omitempty"`
}
