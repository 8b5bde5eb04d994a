package agent

import "time"

// The ports of a pod.
const (
	RedisPort = 6379
	BusPort   = 16379
	// Port serves the agent's API: HTTPS, mutual TLS.
	Port = 16380
	// ProbePort serves the kubelet's probes: HTTP, and nothing but live and ready.
	ProbePort = 16381
)

// The users that the agent makes in Redis, besides "default" for clients.
const (
	UserOperator    = "operator"
	UserRedisnode   = "redisnode"
	UserReplication = "replication"
	// UserMover is who a node says it is at the node that it gives keys to.
	UserMover = "mover"
)

// Phase is how far a node has come in its pod.
type Phase string

// The phases of a node.
const (
	PhaseGate    Phase = "Gate"    // redis has not been let start; Status.Waiting says why
	PhaseRunning Phase = "Running" // redis answers
	PhaseDown    Phase = "Down"    // redis was let start and does not answer
	PhaseFenced  Phase = "Fenced"  // redis is not let start until it is unfenced
)

// Status is what an agent says of its node: GET /v1/status.
type Status struct {
	ClusterUID string `json:"clusterUID"`
	PodName    string `json:"podName"`
	PodUID     string `json:"podUID"`
	PodIP      string `json:"podIP"`
	// NodeID is from the running redis, or from nodes.conf while it is not running; "" when there is none yet.
	NodeID string `json:"nodeID,omitempty"`
	Phase  Phase  `json:"phase"`
	// Waiting is what the gate waits for, for a person.
	Waiting string `json:"waiting,omitempty"`
	// Stopping is true once the pod is being stopped: it must not be promoted any more.
	Stopping bool `json:"stopping,omitempty"`
	// Formed is true when the node knows a node that owns slots: it is part of a cluster.
	Formed bool `json:"formed,omitempty"`
	// Peers is the number of other nodes that the node knows.
	Peers int `json:"peers,omitempty"`
	// HasData is true when the node has keys or, while it does not run, a dataset on disk.
	HasData bool `json:"hasData,omitempty"`
	// Role is "primary" or "replica"; "" when redis does not answer.
	Role string `json:"role,omitempty"`
	// PrimaryID is the node that a replica follows.
	PrimaryID string `json:"primaryID,omitempty"`
	// LinkUp is true when a replica is in sync.
	LinkUp bool `json:"linkUp,omitempty"`
	// Synced is true when a replica is in sync, or was until seconds ago: when its primary has just died, it has all
	// that was sent to it.
	Synced bool `json:"synced,omitempty"`
	// Fresh is true when its link has come up so lately that its primary may not have sent it yet what was written since
	// its copy was made.
	Fresh      bool  `json:"fresh,omitempty"`
	ReplOffset int64 `json:"replOffset,omitempty"`
	// SlotsOwned is the number of slots the node owns.
	SlotsOwned int `json:"slotsOwned,omitempty"`
	// DataLost describes the slots that the node came back without data for, if it did; "" otherwise.
	DataLost string `json:"dataLost,omitempty"`
	// Notice is what a person should know of the node's last start, such as a nodes.conf that was corrupt.
	Notice string `json:"notice,omitempty"`
	// LastTakeOver is how the node last took the place of its primary; nil when it has not since its agent started.
	LastTakeOver *TakeOver `json:"lastTakeOver,omitempty"`
	// Stream is the stream of writes that ReplOffset counts; nil when redis does not answer.
	Stream *Stream `json:"stream,omitempty"`
	// GivenUp is what was given up when the node, a primary, found that it had been replaced; nil when it is one, has
	// not been one since its agent started, or nobody can tell.
	GivenUp *GivenUp `json:"givenUp,omitempty"`
	// Mark counts how far the volume of a primary has come, a minute of writes a mark.
	Mark int64 `json:"mark,omitempty"`
	// CopyOf is the primary that the node's copy was last seen in sync with, and CopyMark the mark of that then: a
	// primary that comes back with a lower one has an older volume than this copy.
	CopyOf   string `json:"copyOf,omitempty"`
	CopyMark int64  `json:"copyMark,omitempty"`
	// Volume is how much room is where the node keeps its data; nil when that cannot be said.
	Volume *Volume `json:"volume,omitempty"`
	// Generation is the highest that an order to this agent carried; one of a lower is refused.
	Generation int64 `json:"generation"`
	// Version is the version of the agent.
	Version string `json:"version"`
}

// Volume is where a node keeps its data.
type Volume struct {
	Bytes int64 `json:"bytes"`
	Free  int64 `json:"free"`
	// Fault is why it could not be written to when the gate last tried, and redis is not let start; "" when it could.
	Fault string `json:"fault,omitempty"`
}

// TakeOver is how a replica took the place of its primary.
type TakeOver struct {
	// PrimaryID is the node whose place it took.
	PrimaryID string      `json:"primaryID"`
	At        time.Time   `json:"at"`
	Mode      PromoteMode `json:"mode"`
	// OffsetGap is how many bytes of the primary's stream of writes, of those that its agent had seen of it, the replica
	// did not have: they are lost. It is the least that can be: what the primary took after its agent's last look, up
	// to a second before it died, is in it only as far as that look saw it. 0 also when nobody could say.
	OffsetGap int64 `json:"offsetGap"`
	// Millis is how long it took, from when the primary's death was seen.
	Millis int64 `json:"millis"`
}

// Stream is a stream of writes, and the one before it, of which the node has all up to FormerEnd.
type Stream struct {
	ID        string `json:"id"`
	FormerID  string `json:"formerID,omitempty"`
	FormerEnd int64  `json:"formerEnd,omitempty"`
}

// GivenUp is the writes that a primary had taken, and that whoever had taken its place does not have.
type GivenUp struct {
	// PrimaryID is the node that it follows since.
	PrimaryID string    `json:"primaryID"`
	At        time.Time `json:"at"`
	// Bytes of its stream of writes, in which there are also some that are none: a PING to replicas every ten seconds.
	Bytes int64 `json:"bytes"`
}

// Nodes is what a node knows of its cluster: GET /v1/nodes.
type Nodes struct {
	ClusterUID string `json:"clusterUID"`
	// NodeID is the node that was asked; "" when redis does not answer.
	NodeID string `json:"nodeID,omitempty"`
	// Served is true when the node finds the cluster in order, and every slot with an owner.
	Served bool `json:"served,omitempty"`
	// IDs are the nodes that it lists, itself among them.
	IDs []string `json:"ids,omitempty"`
	// Unreached are those of them that it has no connection to, or finds to have failed.
	Unreached []string `json:"unreached,omitempty"`
}

// Slots is what a node owns, in its own table, asked at the moment: GET /v1/slots. Nobody knows better than the owner,
// but who has taken slots from it since.
type Slots struct {
	ClusterUID string `json:"clusterUID"`
	PodUID     string `json:"podUID"`
	// NodeID is from the running redis, or from nodes.conf while it is not running; "" when there is none.
	NodeID string `json:"nodeID,omitempty"`
	// Slots are ranges: "0-5460,6000".
	Slots string `json:"slots,omitempty"`
	// Epoch is the config epoch that the node claims them with.
	Epoch      uint64 `json:"epoch,omitempty"`
	Generation int64  `json:"generation"`
}

// Table is all that a node knows of its cluster, in its own words: GET /v1/table.
type Table struct {
	ClusterUID string `json:"clusterUID"`
	// NodeID is the node that was asked; "" when it has no table.
	NodeID string `json:"nodeID,omitempty"`
	// Running is true when Nodes is the answer to CLUSTER NODES, and false when it is the nodes.conf of a node that does
	// not run.
	Running bool   `json:"running,omitempty"`
	Nodes   string `json:"nodes,omitempty"`
	// Epoch is the highest epoch that the node has heard of.
	Epoch uint64 `json:"epoch,omitempty"`
}

// Launch is what the node's redis was started with: GET /v1/launch.
type Launch struct {
	ClusterUID string `json:"clusterUID"`
	PodUID     string `json:"podUID"`
	// Conf is its redis.conf, as far as it is the same for all pods of the cluster; "" before it is started.
	Conf string `json:"conf,omitempty"`
	// Defaults is what this very server runs with where redis.conf says nothing; none when that is not known.
	Defaults map[string]string `json:"defaults,omitempty"`
}

// PromoteMode is how a replica takes its primary's place. The words are those of CLUSTER FAILOVER.
type PromoteMode string

// The modes of promotion.
const (
	PromoteManual   PromoteMode = "Manual"   // with the primary's consent: nothing is lost
	PromoteForce    PromoteMode = "Force"    // the primary is gone: by vote
	PromoteTakeover PromoteMode = "Takeover" // the primary is proven dead: without vote
)

// Order is what every mutating call carries. An agent refuses one for another cluster or pod, and one
// of a lower generation than it has seen.
type Order struct {
	ClusterUID string `json:"clusterUID"`
	// PodUID is the pod that is meant: an address may have changed hands.
	PodUID string `json:"podUID"`
	// Generation is the fencing token; a peer's order carries the highest that it has seen.
	Generation int64 `json:"generation"`
}

// PromoteRequest asks a replica to become the primary of its shard: POST /v1/promote. The call
// returns when the role has changed, or with an error.
type PromoteRequest struct {
	Order
	Mode PromoteMode `json:"mode"`
	// PrimaryID is the primary that is to be replaced; a node that follows another refuses.
	PrimaryID string `json:"primaryID"`
	// Death is what is known of the end of the primary, or of its reign; nil when its own agent is not who asks.
	Death *Death `json:"death,omitempty"`
}

// Death is what the agent of a primary that has died, or is to go, says of it.
type Death struct {
	// Slots are what the primary owned by its own nodes.conf or word, and Epoch what it claimed them with. A replica that
	// knows otherwise has not heard of slots that moved, and refuses. "": what the replica knows is good enough.
	Slots string `json:"slots,omitempty"`
	Epoch uint64 `json:"epoch,omitempty"`
	// Leaving are those of them that were on their way to others: some of their keys are there by now.
	Leaving []Leaving `json:"leaving,omitempty"`
	// Offset is how far the primary's stream of writes was when its agent last looked; 0 when that is not known.
	Offset int64 `json:"offset,omitempty"`
	// Millis is how long ago its death was seen.
	Millis int64 `json:"millis,omitempty"`
}

// Leaving are slots that a primary was giving to another node.
type Leaving struct {
	Slots string `json:"slots"` // ranges: "0-5460,6000"
	To    string `json:"to"`    // the node's ID
}

// IntroduceRequest has a node tell another what it owns, by CLUSTER MEET: POST /v1/introduce. The other is one that the
// node knows, and whose agent proves at the address that it is.
type IntroduceRequest struct {
	Order
	// IP is the address of the other's pod.
	IP string `json:"ip"`
}

// FenceRequest keeps redis from being started, or lets it start again: POST /v1/fence, POST /v1/unfence.
type FenceRequest struct {
	Order
}

// ErrorReply is the body of every answer that is not 2xx.
type ErrorReply struct {
	Error string `json:"error"`
}
