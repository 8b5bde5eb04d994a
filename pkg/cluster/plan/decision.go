package plan

import (
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// Wanted is what the spec asks for, in the words of the rules.
type Wanted struct {
	Primaries int
	Replicas  int // of each primary
	// Bootstrapped is the one-way fact in status that all slots once had an owner.
	Bootstrapped bool
	ZoneAware    bool
}

// Pods is the number of pods that are wanted.
func (w Wanted) Pods() int { return w.Primaries * (1 + w.Replicas) }

// Decision is the next step and why it was chosen. Reason and Message go, unchanged, into the
// Progressing condition, the Event and the log line.
type Decision struct {
	Step    Step
	Reason  string        // CamelCase, stable: "MeetingNodes"
	Message string        // one sentence for a person
	Requeue time.Duration // when to look again; 0: wait for events
}

// Step is one bounded change, safe to repeat.
//
//sumtype:decl
type Step interface{ isStep() }

type (
	// CreatePods makes the pods with these ordinals, and their volumes.
	CreatePods struct{ Ordinals []int }

	// DeletePod deletes a pod that holds nothing: the rule says why it is safe, the caller checks again.
	DeletePod struct {
		Pod string
		UID string
		// NeverStarted says that the rule relies on redis never having run in it.
		NeverStarted bool
	}

	// Meet introduces nodes to each other: each Node gets CLUSTER MEET with each of its Peers.
	Meet struct{ Meetings []Meeting }

	// AddSlots gives slots that nobody owns to nodes that know no other node yet, or only each other.
	AddSlots struct{ Grants []Grant }

	// Replicate makes slotless nodes replicas.
	Replicate struct{ Links []Link }

	// Forget removes nodes from the tables of all others, all at once.
	Forget struct{ Bans []Ban }

	// Wait does nothing.
	Wait struct{}
)

// Meeting is one node that is to meet peers. Nodes are named by pod, so that the caller can prove who listens there.
type Meeting struct {
	Pod   string
	Peers []string // pod names
}

// Grant is slots for one node.
type Grant struct {
	Pod  string
	Node cluster.NodeID
	// Epoch is a config epoch nobody else has, set before the node meets others; 0: leave it.
	Epoch uint64
	Slots cluster.SlotSet
}

// Link is a replica and the primary it is to follow.
type Link struct {
	Pod     string
	Node    cluster.NodeID
	Primary cluster.NodeID
}

// Ban is the nodes that one node is to forget.
type Ban struct {
	Pod   string
	Nodes []cluster.NodeID
}

func (CreatePods) isStep() {}
func (DeletePod) isStep()  {}
func (Meet) isStep()       {}
func (AddSlots) isStep()   {}
func (Replicate) isStep()  {}
func (Forget) isStep()     {}
func (Wait) isStep()       {}
