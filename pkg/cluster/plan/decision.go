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
	// Paused says that nothing is begun any more: what was cut in the middle is brought to an end.
	Paused bool
	// Hibernate says that the cluster is to have no pods until it is false again, and Hibernating that they have begun to
	// go.
	Hibernate   bool
	Hibernating bool
	// Moving says that slots have begun to move since the cluster was last Converged: small differences are then
	// evened out, too.
	Moving bool
	// Overfill says that data may be given up where it does not fit (a cache whose keys are dropped, not moved).
	Overfill bool
	// GiveUp is the slots whose data may be given up once it is lost with all its copies.
	GiveUp cluster.SlotSet
	// AskQuorum says that a person is to decide when so many primaries are gone that Redis cannot elect.
	AskQuorum bool
	// Failback says that roles are moved back when failovers have left a worse spread than need be.
	Failback bool
	// HoldPrimaries says that a person is to approve an update before it comes to primaries.
	HoldPrimaries bool
	// Closed says why nothing that is well is disturbed for an update or a better placement: when the next window opens;
	// "" while it may be.
	Closed string
	// NodeTimeout is how long a node is silent until the others suspect it.
	NodeTimeout time.Duration
	// Object is how kubectl names the cluster, for commands that a person is to run: "-n shop rdc/demo".
	Object string

	// foreseen says that the view is what will be: all nodes of it know each other. See Outline.
	foreseen bool
	// lent is the shard that has one replica more than is wanted, for as long as its primary is replaced. See lent.
	lent cluster.NodeID
}

// Pods is the number of pods that are wanted.
func (w Wanted) Pods() int {
	pods := w.Primaries * (1 + w.Replicas)
	if w.lent != "" {
		pods++
	}
	return pods
}

// replicasOf is how many replicas are wanted of a primary.
func (w Wanted) replicasOf(shard cluster.NodeID) int {
	if w.lent != "" && w.lent == shard {
		return w.Replicas + 1
	}
	return w.Replicas
}

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
		// HostGone says that the rule relies on its host being gone for good: nobody is left to stop it gently.
		HostGone bool
		// Stopped says that the rule relies on redis not running in it.
		Stopped bool
		// Primary is who has all that the replica in the pod has, which need not be in sync: the rule relies on it to be
		// there; "" when it relies on nobody.
		Primary cluster.NodeID
		// WithVolume says that its volume goes with it, so that the next one is of the class of the spec: Primary is set, and
		// has all that is on it.
		WithVolume bool
		// KeepsVolume says that the rule relies on what the node has being on a volume that stays: it may own slots.
		KeepsVolume bool
	}

	// UpdateAgent changes the image of the agent in a running pod: redis runs on.
	UpdateAgent struct{ Pod, UID string }

	// ResizePod has the kubelet of a running pod give it the memory and processors of the spec: redis runs on. Once they
	// are Granted the pod is noted to be of the spec's template.
	ResizePod struct {
		Pod, UID string
		Granted  bool
	}

	// Meet introduces nodes to each other: each Node gets CLUSTER MEET with each of its Peers.
	Meet struct{ Meetings []Meeting }

	// AddSlots gives slots that nobody owns to nodes that know no other node yet, or only each other.
	AddSlots struct{ Grants []Grant }

	// Replicate makes slotless nodes replicas.
	Replicate struct{ Links []Link }

	// Forget removes nodes from the tables of all others, all at once. None of them owns slots but those that are given
	// up.
	Forget struct {
		Bans    []Ban
		GivenUp cluster.SlotSet
	}

	// MoveSlots moves slots between nodes, all pairs at the same time, for a bounded time: what is left then is
	// decided again.
	MoveSlots struct{ Moves []Move }

	// CloseSlots brings moves that were cut to an end.
	CloseSlots struct {
		Finish []Move // goes on in the same direction
		Undo   []Move // takes back what has gone: afterwards From has the slots, whole
		Clear  []Mark
		Cancel []Cancel
	}

	// Failover has a replica take the place of its primary.
	Failover struct {
		Pod     string
		Node    cluster.NodeID
		Primary cluster.NodeID
		Mode    FailoverMode
	}

	// Configure sets directives at nodes that run, all of them or none, and then writes what nodes start with. One node
	// is asked first: what it refuses is asked of nobody else.
	Configure struct{ Changes []Change }

	// Wait does nothing.
	Wait struct{}
)

// FailoverMode is how a replica takes its primary's place.
type FailoverMode int

// The modes of a failover.
const (
	// TakeOver asks nobody: the primary is dead.
	TakeOver FailoverMode = iota
	// HandOver has the primary stop writes until the replica has everything: nothing is lost.
	HandOver
)

// End is one of the two nodes of a move.
type End struct {
	Pod  string
	Node cluster.NodeID
}

// Move is slots that are to go from their owner to another node.
type Move struct {
	From, To End
	Slots    cluster.SlotSet
	// FailedOver says that From has taken the place of the node that To began to import from: keys may be at both
	// ends, and what is newer is not known by who owns the slot.
	FailedOver bool
}

// Mark is slots that a node has open although nothing is to move: the marks go, once the node is seen to have no
// keys in slots that it does not own.
type Mark struct {
	End
	Slots cluster.SlotSet
	Owner cluster.NodeID
}

// Cancel is migrations that a server carries out by itself and that are not wanted any more.
type Cancel struct {
	End
	Tasks []string
}

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

// Change is what one node is to run with.
type Change struct {
	Pod      string
	Node     cluster.NodeID
	Settings []cluster.Drift
}

// Ban is the nodes that one node is to forget.
type Ban struct {
	Pod   string
	Nodes []cluster.NodeID
}

func (CreatePods) isStep()  {}
func (DeletePod) isStep()   {}
func (UpdateAgent) isStep() {}
func (ResizePod) isStep()   {}
func (Meet) isStep()        {}
func (AddSlots) isStep()    {}
func (Replicate) isStep()   {}
func (Forget) isStep()      {}
func (MoveSlots) isStep()   {}
func (CloseSlots) isStep()  {}
func (Failover) isStep()    {}
func (Configure) isStep()   {}
func (Wait) isStep()        {}
