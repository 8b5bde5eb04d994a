package cluster

import "time"

// View is one observation of a whole cluster: every pod, and what the node in it said. Members are
// sorted by ordinal, then by pod name.
type View struct {
	Members []Member
	// Aside are pods that Kubernetes was asked to stop long ago and cannot, because their hosts do not answer. They have
	// no volume, so that others take their places; their names are taken, and their nodes may still run. See SetAside.
	Aside []Member
	// Hosts are the Kubernetes nodes that pods can run on, sorted by name; empty when they are not known.
	Hosts []Host
	// Former are nodes that were in pods of this cluster and are in none that was seen, sorted. They are ours: what
	// others tell of them is no stranger, and once every pod is seen to be another node, they are gone.
	Former []NodeID
	// Volumes are the ordinals whose volume exists, with or without a pod, sorted; none when volumes go with their
	// pods. A node that is in no pod may come back from one.
	Volumes []int
	// Unwritten says that what nodes start with is not what the spec wants yet. It is written once the nodes that run have
	// taken it.
	Unwritten bool
	// Weights is what each slot weighs when shares are counted in bytes; nil when they are counted in slots.
	Weights *Weights

	study *study // see Studied
}

// Host is a Kubernetes node.
type Host struct {
	Name string
	Zone string
}

// Member is a pod and the Redis node in it.
type Member struct {
	Pod Pod
	// Info is what the node said; nil when it was not asked or did not answer.
	Info *NodeInfo
	// Unseen says why Info is nil, for a person: "dial tcp 10.0.0.1:6379: connection refused".
	Unseen string
	// Waits is what the start of redis waits for at its gate, as its agent says; "" when nothing is known of that.
	Waits string
	// Down says that redis does not run in the pod at the moment: its agent says so, or its kubelet.
	Down bool
	// Drift is the directives that the node does not run with as it should, and takes while it runs.
	Drift []Drift
	// Restart is the directives that it does not run with as it should, and takes only when it is started again: with what
	// is written for it by now, which it was not started with.
	Restart []Drift
	// VolumeFault says for a person that the node cannot write to its volume; "" when nothing is known to be wrong.
	VolumeFault string
	// RefusesWrites says that it takes no writes from clients because of that (MISCONF).
	RefusesWrites bool
	// Room is what its volume has. Nobody asks while all can write to theirs.
	Room Room
}

// Room is the bytes of a volume. The zero value is that nobody knows.
type Room struct{ Bytes, Free int64 }

// FreeShare is the part of the volume that is free; 0 when that is not known.
func (r Room) FreeShare() float64 { return float64(r.Free) / float64(max(1, r.Bytes)) }

// Seen says whether the node answered.
func (m Member) Seen() bool { return m.Info != nil }

// Live says whether the node answered, has its data, and its pod is to stay. Only live nodes are given anything to do.
func (m Member) Live() bool {
	return m.Info != nil && !m.Info.Loading && m.Pod.State != PodTerminating && m.Pod.State != PodEnded
}

// ID is the node's ID; "" when it was not seen.
func (m Member) ID() NodeID {
	if i := m.selfIndex(); i >= 0 {
		return m.Info.Table[i].ID
	}
	return ""
}

// Role is what the node says that it is.
func (m Member) Role() Role {
	if i := m.selfIndex(); i >= 0 {
		return m.Info.Table[i].Role
	}
	return RoleUnknown
}

// Follows is the primary that the node says it follows; "" when it says none.
func (m Member) Follows() NodeID {
	if i := m.selfIndex(); i >= 0 {
		return m.Info.Table[i].PrimaryID
	}
	return ""
}

// OwnsSlots says whether the node says that it owns slots.
func (m Member) OwnsSlots() bool {
	i := m.selfIndex()
	return i >= 0 && !m.Info.Table[i].Slots.IsEmpty()
}

func (m Member) selfIndex() int {
	if m.Info == nil {
		return -1
	}
	for i := range m.Info.Table { // by index: a Node is two kilobytes
		if m.Info.Table[i].Flags.Myself {
			return i
		}
	}
	return -1
}

// PodState is how far a pod has come.
type PodState int

// The states of a pod.
const (
	PodPending     PodState = iota // not scheduled, or no container of it has started redis yet
	PodRunning                     // its redis container has been started at least once
	PodTerminating                 // asked to stop
	PodEnded                       // Failed or Succeeded: it will not run again
)

// Resize is how far a pod has come to other memory and processors without being replaced.
type Resize int

// The states of a resize.
const (
	ResizeNone    Resize = iota // nothing is to be done, or not while redis runs
	ResizeDue                   // the kubelet is to be asked
	ResizeAsked                 // it was asked
	ResizeGranted               // it has done it, and the pod does not say so yet
)

// Class is of which StorageClass the volume of a pod is. A volume cannot change it.
type Class struct {
	// Has is the class of the volume; "" when it has none, or there is no volume.
	Has string
	// Wants is the one that the spec names; what the volume has when the spec names none.
	Wants string
}

// Changes says that the volume is to be replaced by one of another class.
func (c Class) Changes() bool { return c.Has != c.Wants }

// Pod is a Kubernetes pod as far as the rules care.
type Pod struct {
	Name    string
	UID     string
	Ordinal int
	IP      string
	Host    string
	Zone    string
	// Volume says that its data is on a volume, which stays when it goes.
	Volume bool
	// Class is of which StorageClass that volume is, once it is bound.
	Class Class
	State PodState
	Ready bool
	// Process tells one start of redis in the pod from the next.
	Process string
	// MemoryLimit is what redis may take in it at the moment, in bytes; 0: no limit.
	MemoryLimit int64
	// HostGone says that the Kubernetes node that it was on is gone for good, and redis with it: the node was deleted, or
	// somebody who knows has said so by the taint node.kubernetes.io/out-of-service.
	HostGone bool
	// HostSilent says that Kubernetes does not hear from the node that it is on: nothing has come from its kubelet for so
	// long that its condition Ready is Unknown. A partition explains that as well as a power cut.
	HostSilent bool
	// HostShut says why it would not run again on the Kubernetes node that it is on, for a person: "cordoned" or "not
	// ready"; "" when it would.
	HostShut string
	// Overdue says that it was to be gone long ago: its host does not answer, and nobody has said that it is gone.
	Overdue bool
	// Outdated says that it was made from another template than the spec's, or that redis has to be started again to run
	// with what the spec says (Member.Restart). A pod that never ran, or does not any more, is helped by another one.
	Outdated bool
	// Resize is how far it has come to the memory and processors of the spec, which change while redis runs.
	Resize Resize
	// ResizeStall is why its kubelet does not give it these by now, in the kubelet's words; "" when nothing is known.
	ResizeStall string
	// AgentOutdated says that its agent is of another image than it is to be, and can be changed in the running pod.
	AgentOutdated bool
	// Trouble is the reason and message of what keeps it from starting: "ImagePullBackOff: ...";
	// "" when there is none.
	Trouble string
}

// Superseded says that the pod is to be replaced: it was made from another template, or its volume is of another class.
func (p *Pod) Superseded() bool { return p.Outdated || p.Class.Changes() }

// NeverLinked is the LinkDown of a replica that has not followed its primary since it was started.
const NeverLinked time.Duration = -1

// AppendOnly says whether a node's append-only file has all of its data.
type AppendOnly string

const (
	// AppendOnlyOff says that none is written: one that is there is of before.
	AppendOnlyOff AppendOnly = "off"
	// AppendOnlyOn says that it is whole.
	AppendOnlyOn AppendOnly = "on"
)

// NodeInfo is what one node said about itself and the cluster.
type NodeInfo struct {
	Table        Table
	StateOK      bool // cluster_state:ok
	CurrentEpoch uint64
	Loading      bool
	// Uptime is how long ago its process was started.
	Uptime time.Duration
	// FullSyncs is how many copies of all its data it has begun to give to replicas since it was started.
	FullSyncs int64
	// LinkUp says that a replica's link to its primary is up and no full sync is under way. True for a primary.
	LinkUp bool
	// LinkDown is for how long a replica has had no link to its primary; 0 while it has one. NeverLinked: it has had none
	// since it was started, so that what it has is what was on its disk.
	LinkDown time.Duration
	// LinkSilent is how long ago a replica last heard anything of its primary over a link that is up: a host that is
	// switched off breaks no connection. Primaries say something every ten seconds.
	LinkSilent time.Duration
	ReplOffset int64
	// Stream is the stream of writes that ReplOffset counts.
	Stream Stream
	// Keys is the number of keys in database 0.
	Keys      int64
	UsedBytes int64
	// DataBytes is the part of UsedBytes that the server would not need without its keys.
	DataBytes int64
	// Evicts says that keys are given up when MaxBytes is reached (maxmemory-policy is not noeviction).
	Evicts bool
	// Tasks are the migrations that the node carries out by itself, as their source or their target.
	Tasks    []SlotTask
	Clients  int64 // connections, replicas' not counted
	MaxBytes int64 // maxmemory; 0: no limit
	// AppendOnly says what the node's append-only file is worth; "" while one is being written anew.
	AppendOnly AppendOnly
	// WriteFault is what the server says of its last try to write to its disk that failed: "aof_last_write_status:err".
	WriteFault string
	Version    string // "redis 7.0.15", "valkey 9.1.2"
}

// Stream is a stream of writes: what a primary takes, and its replicas receive. A replica that takes over begins one of
// its own where it was in its primary's.
type Stream struct {
	ID string
	// Former is the one before, of which it has all up to FormerEnd; "": there was none.
	Former    string
	FormerEnd int64
}

// Self is the node's own line of its table. A NodeInfo is only made with one.
func (i *NodeInfo) Self() Node {
	self, _ := i.Table.Self()
	return self
}
