package plan

import (
	"math"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// Outlined is what will happen from here, if nothing else does: for people, before anything is done. Its fields are
// stable: the plugin prints them and status.plan is made of them.
type Outlined struct {
	// Steps are sentences, in the order of what they say; none when nothing is to be done.
	Steps []string
	// PodsCreated are ordinals, sorted.
	PodsCreated []int
	// PodsDeleted are names, in the order in which they go.
	PodsDeleted []string
	// PodsReplaced are names, in the order in which pods of another template go and come back.
	PodsReplaced []string
	// Moves are the slots that change hands, each once.
	Moves []OutlinedMove
	// Slots is the number of slots in Moves; Keys and Bytes are what they hold, estimated.
	Slots int
	Keys  int64
	Bytes int64
	// Failovers is how many primaries hand over to a replica.
	Failovers int
	// Waits is what it cannot go on without, which nobody can foresee: a node that is away, for example. What
	// comes after it is not part of the outline. "" when there is no such thing.
	Waits string
	// Refused says why it is not done, with figures; "" when it is. What is done before that is part of the outline.
	Refused string
}

// OutlinedMove is slots that go from one shard to another.
type OutlinedMove struct {
	From  string // the pod of a primary
	To    string // the same, or "new shard 1" when the pod does not exist yet
	Slots cluster.SlotSet
	Keys  int64
	Bytes int64
}

// Speed is how fast things are done, for an estimate of how long they take.
type Speed struct {
	SlotsPerSecond float64 // empty ones
	KeysPerSecond  float64
	BytesPerSecond float64
	// PodStart is from creating a pod until it is part of the cluster, and PodNext from one to the next: beside nodes that
	// serve they start one after the other.
	PodStart, PodNext time.Duration
	// PodStop is from deleting a pod until it is gone and forgotten: one after the other.
	PodStop time.Duration
}

// The speeds that were measured (PERF.md A1.1, two cores for all servers of a cluster): from three primaries to four,
// with keys of 100 bytes, of 10 KB, and none.
var (
	// SpeedLatency is key by key, with a rest after each batch: two thirds of 54,000 small keys a second, or of 28 MB of
	// large ones, since other work and replicas take their part.
	SpeedLatency = Speed{2000, 35e3, 20e6, podStart, podNext, podStop}
	// SpeedThroughput is key by key, done soonest: 72,000 to 101,000 small keys a second, 57 MB of large ones.
	SpeedThroughput = Speed{8000, 85e3, 50e6, podStart, podNext, podStop}
	// SpeedAtomic is whole slots at once, by the servers themselves (Valkey 9, Redis 8.4).
	SpeedAtomic = Speed{8000, 500e3, 300e6, podStart, podNext, podStop}
	// SpeedSlotsOnly leaves the keys behind.
	SpeedSlotsOnly = Speed{8000, math.Inf(1), math.Inf(1), podStart, podNext, podStop}
)

// Estimated from the lab, whose images are on the host: from CreatePods to Ready, and from DeletePod to forgotten.
const (
	podStart = 6 * time.Second
	podNext  = 1 * time.Second
	podStop  = 3 * time.Second
)

// Duration is about how long it takes: pods start, then slots move, then pods go.
func (o Outlined) Duration(s Speed) time.Duration {
	var seconds float64
	if n := len(o.PodsCreated); n > 0 {
		seconds += (s.PodStart + time.Duration(n-1)*s.PodNext).Seconds()
	}
	seconds += float64(len(o.PodsDeleted)) * s.PodStop.Seconds()
	seconds += float64(len(o.PodsReplaced)) * (s.PodStop + s.PodStart).Seconds()
	if o.Slots > 0 {
		seconds += float64(o.Slots) / s.SlotsPerSecond
		seconds += math.Max(float64(o.Keys)/s.KeysPerSecond, float64(o.Bytes)/s.BytesPerSecond)
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Second)
}
