package redis

import (
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// Engine is how slots are moved.
type Engine string

// The engines.
const (
	// EngineAuto moves whole slots at once where both servers can (Valkey 9, Redis 8.4), and key by key elsewhere.
	EngineAuto Engine = "Auto"
	// EngineClassic moves key by key, which every server can.
	EngineClassic Engine = "Classic"
	// EngineSlotsOnly moves only who owns the slots: their keys are dropped. For caches.
	EngineSlotsOnly Engine = "SlotsOnly"
)

// Profile is what moving key by key cares for most.
type Profile string

// The profiles.
const (
	// ProfileLatency keeps most pauses of a node near a fifth of a millisecond.
	ProfileLatency Profile = "Latency"
	// ProfileThroughput is done soonest.
	ProfileThroughput Profile = "Throughput"
)

// MoveEnd is a node that slots come from or go to.
type MoveEnd struct {
	Endpoint Endpoint
	ID       cluster.NodeID
	Peer     Peer       // where the other end reaches it
	Version  string     // as in NodeInfo
	Copies   []Endpoint // its replicas that are in sync
}

// SlotMove is slots that are to go from their owner to another primary.
type SlotMove struct {
	From, To MoveEnd
	Slots    cluster.SlotSet
	// FailedOver says that From has taken the place of the node that To began to import from.
	FailedOver bool
}

// MoveOptions say how slots are moved.
type MoveOptions struct {
	Engine  Engine
	Profile Profile
	// MaxBatch bounds how long the source is busy with one batch of keys; 0: 5 ms. ProfileLatency stays below it.
	MaxBatch time.Duration
	// MaxKeyBytes is the largest key that is moved key by key; 0: no limit. The slot of a larger one stays.
	MaxKeyBytes int64
	// Parallelism bounds the pairs of nodes that are worked on at the same time; 0: all.
	Parallelism int
	// Budget is how long new work is begun. What was begun is brought to an end.
	Budget time.Duration
	// Restore is who the source says it is at the target, which needs no more than to restore keys.
	Restore Credentials
}

// Moved is what came of a SlotMove.
type Moved struct {
	Slots cluster.SlotSet // that have their new owner now
	Keys  int64
	Bytes int64 // of memory, estimated
	// Conflicts are keys that were at both ends, so that one of the copies had to be chosen.
	Conflicts int64
	// Running says that the servers go on by themselves: the same move, asked for again, joins in.
	Running bool
	Blocked []Blocked
}

// Blocked is a slot that stays whole where it is until somebody does something about it.
type Blocked struct {
	Slot  cluster.Slot
	Key   string // the key that is too big
	Bytes int64  // its size
}

// SlotLoad is what a slot holds.
type SlotLoad struct {
	Keys  int64
	Bytes int64 // of memory; measured where the server counts it, else estimated
}
