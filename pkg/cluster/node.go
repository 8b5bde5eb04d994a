package cluster

// NodeID is a node's name in the Redis Cluster: 40 hexadecimal digits that live as long as its nodes.conf.
type NodeID string

// Short is the first eight digits, enough for a person to tell nodes apart.
func (id NodeID) Short() string { return string(id[:min(8, len(id))]) }

// Role is what a node does in its shard.
type Role int

// The roles. A primary without slots is still a Primary here.
const (
	RoleUnknown Role = iota
	Primary
	Replica
)

// Flags are what a table says about a node besides its role.
type Flags struct {
	Myself    bool // the node that gave the table
	Handshake bool // met, but its ID is not known yet
	NoAddr    bool // no address is known
	PFail     bool // suspected by the node that gave the table
	Fail      bool // agreed to have failed by a majority
}

// Addr is where a node says it can be reached.
type Addr struct {
	IP      string // "" when no address is known
	Port    int
	BusPort int
}

// Node is one line of a CLUSTER NODES table.
type Node struct {
	ID          NodeID
	Addr        Addr
	Hostname    string
	Role        Role
	Flags       Flags
	PrimaryID   NodeID // of a replica; "" otherwise
	ConfigEpoch uint64
	Connected   bool // the bus link to it is up, or being made
	Awaited     bool // it has yet to answer a ping
	Slots       SlotSet
	Open        []OpenSlot // only in the node's own table
}

// OpenSlot is a slot that is being moved, as seen by one of its two ends.
type OpenSlot struct {
	Slot      Slot
	Importing bool   // at the target; otherwise migrating, at the source
	Peer      NodeID // the other end
}

// Table is the answer of one node to CLUSTER NODES, sorted by ID.
type Table []Node

// Self is the node that gave the table.
func (t Table) Self() (Node, bool) {
	for i := range t { // by index: a Node is two kilobytes
		if t[i].Flags.Myself {
			return t[i], true
		}
	}
	return Node{}, false
}

// Find is the node with this ID.
func (t Table) Find(id NodeID) (Node, bool) {
	if i := t.Index(id); i >= 0 {
		return t[i], true
	}
	return Node{}, false
}

// Index is the position of the node with this ID; -1 when it is not listed.
func (t Table) Index(id NodeID) int {
	for i := range t {
		if t[i].ID == id {
			return i
		}
	}
	return -1
}
