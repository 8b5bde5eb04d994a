package clustertest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// Times, in ticks. A tick is what lies between two looks of the operator: about a second.
const (
	nodeTimeout = 3
	banTime     = 60
	copyTime    = 2
	clientsCome = 5
	stopTime    = 2
	port        = 6379
	busPort     = 16379
)

// Settings of a world.
type Settings struct {
	Seed uint64
	// Hosts are where pods go, round robin; three in zones a, b and c when there are none.
	Hosts []cluster.Host
	// Scatter puts pods on random hosts.
	Scatter bool
	// Ephemeral forgets everything when a pod goes.
	Ephemeral bool
	// Class is of which StorageClass volumes are at first.
	Class string
	// Join has new nodes meet those that run, as their agents do.
	Join bool
	// Loss is the share of packets that are lost.
	Loss float64
	// StartTime is the most ticks that a pod takes to start; 1 when 0.
	StartTime int
	// Pace is the most slots of one move in one step; all when 0.
	Pace int
	// Cuts is the share of steps that move or close slots and are cut in the middle.
	Cuts float64
	// CopyMarks has replicas copy the marks of open slots, as Valkey does from 8 on.
	CopyMarks bool
	// Atomic has the servers move whole slots by themselves.
	Atomic bool
	// MaxBytes is maxmemory. A key takes KeyBytes.
	MaxBytes int64
}

// KeyBytes is what a key takes.
const KeyBytes = 1 << 10

// World is a cluster, its pods, and its time.
type World struct {
	settings  Settings
	rng       *rand.Rand
	now       int
	born      int // pods ever made
	room      int // for so many pods; 0: for all
	pods      []*pod
	disks     map[int]*node // what the volume of an ordinal holds, when nothing runs on it
	claims    map[int]*claim
	class     string  // of volumes by the spec; see Reclass
	strays    []*node // nodes that are in no pod of ours
	cutAt     stage
	quiet     int // ticks for which all was in order; clients come some after
	moved     [2]cluster.SlotSet
	half      []halfMove         // that were cut
	unmarked  [2]cluster.SlotSet // half way, with the marks at the source, or the target, lost in a failover
	forgotten cluster.SlotSet
	busCut    bool           // see CutBus
	template  int            // that pods are made from by now
	flaws     map[int]string // of templates; see Update
	size      int            // of pods by now; see Size
	kubelets  Kubelets
	knob      knob
	shut      []string // hosts; see Shut
}

// pod is a Kubernetes pod; its node is nil while no process runs.
type pod struct {
	cluster.Pod
	node    *node
	startAt int
	goneAt  int
	stuck   bool // cannot be scheduled
	lost    bool // its host is off
	hidden  bool // cannot be reached by the operator
	full    bool // its volume
	made    int  // from this template
	asked   int  // of its kubelet: see Size
	given   int  // by its kubelet
	noted   int  // that the pod says it is of; -1 while it changes
	giveAt  int
}

// New is a world without pods.
func New(s Settings) *World {
	if len(s.Hosts) == 0 {
		s.Hosts = []cluster.Host{{Name: "node1", Zone: "a"}, {Name: "node2", Zone: "b"}, {Name: "node3", Zone: "c"}}
	}
	s.StartTime = max(1, s.StartTime)
	rng := rand.New(rand.NewPCG(s.Seed, 1)) //nolint:gosec // a history that can be repeated
	return &World{settings: s, rng: rng, disks: map[int]*node{}, claims: map[int]*claim{}, class: s.Class, flaws: map[int]string{}}
}

// Cluster is a world with a converged cluster: the first pods are the primaries, in the order of their slots.
func Cluster(primaries, replicas int) *World { return ClusterIn(Settings{}, primaries, replicas) }

// ClusterIn is Cluster with settings.
func ClusterIn(s Settings, primaries, replicas int) *World {
	w := New(s)
	w.quiet = clientsCome
	n := primaries * (1 + replicas)
	var epoch uint64
	for ordinal := range n {
		w.create(ordinal)
		w.start(w.pods[ordinal])
	}
	slots := cluster.AllSlots()
	for i, p := range w.pods {
		self := p.node.self()
		if i < primaries {
			size := cluster.SlotCount / primaries
			if i < cluster.SlotCount%primaries {
				size++
			}
			own := slots.Take(size)
			slots = slots.Minus(own)
			p.node.data, self.slots = allKeys(own), share(own)
			epoch++
			self.epoch = epoch
		} else {
			round, k := i/primaries-1, i%primaries
			primary := w.pods[((k-1-round)%primaries+primaries)%primaries].node
			self.role, self.primary, self.epoch = cluster.Replica, primary.id, primary.self().epoch
			p.node.data = primary.data
		}
		p.node.current = epoch
	}
	for _, p := range w.pods {
		for _, other := range w.pods {
			if p != other {
				e := *other.node.self()
				p.node.table = append(p.node.table, &e)
			}
		}
	}
	for range 2 {
		w.Tick()
	}
	return w
}

// View is what the operator sees now. It does not change when the world does; it may share values with other views.
func (w *World) View() cluster.View {
	var v cluster.View
	for _, p := range w.pods {
		m := cluster.Member{Pod: p.Pod}
		m.Pod.Outdated = p.Outdated || p.made != w.template
		m.Pod.Volume, m.Pod.Class = !w.settings.Ephemeral, w.classOf(p)
		if slices.Contains(w.shut, p.Host) {
			m.Pod.HostShut = "cordoned"
		}
		w.resizing(p, &m.Pod)
		switch {
		case p.lost:
			m.Unseen = "dial tcp " + p.IP + ":6379: i/o timeout"
		case p.node == nil && p.State == cluster.PodRunning:
			m.Down = true // says its agent
			m.Unseen = "dial tcp " + p.IP + ":6379: connect: connection refused"
		case p.node == nil:
		case p.hidden:
			m.Unseen = "dial tcp " + p.IP + ":6379: i/o timeout"
		default:
			m.Info = w.info(p.node)
			m.Pod.Ready = m.Info.LinkUp
		}
		v.Members = append(v.Members, m)
	}
	v.Hosts = slices.Clone(w.settings.Hosts)
	if !w.settings.Ephemeral {
		for ordinal := range w.disks {
			v.Volumes = append(v.Volumes, ordinal)
		}
		for _, p := range w.pods {
			v.Volumes = append(v.Volumes, p.Ordinal)
		}
		slices.Sort(v.Volumes)
		v.Volumes = slices.DeleteFunc(slices.Compact(v.Volumes), w.doomed)
	}
	w.drift(&v)
	w.measure(&v)
	return v.SetAside()
}

// info is what the node says. What has not changed since it was last asked is the same value: views are many.
func (w *World) info(n *node) *cluster.NodeInfo {
	last := n.info
	entries := slices.Clone(n.table)
	slices.SortFunc(entries, func(a, b *entry) int { return strings.Compare(string(a.id), string(b.id)) })
	keys := w.keysOf(n)
	if last != nil && len(n.marks)+len(n.tasks)+len(last.Tasks)+len(n.shownOpen()) == 0 && last.CurrentEpoch == n.current &&
		last.ReplOffset == n.offset && last.Uptime == w.uptime(n) &&
		last.LinkUp == (n.copying == 0) && last.LinkDown == n.linkDown() && last.Keys == keys && n.shows(entries) {
		return last
	}
	n.shown = make([]slotSet, len(entries))
	n.info = &cluster.NodeInfo{
		StateOK: n.stateOK(), CurrentEpoch: n.current, LinkUp: n.copying == 0, Keys: keys, Uptime: w.uptime(n), Version: "redis 7.0.15",
		LinkDown: n.linkDown(), ReplOffset: n.offset,
		Table: make(cluster.Table, len(entries)), Tasks: tasksOf(n),
		DataBytes: keys * KeyBytes, UsedBytes: keys * KeyBytes, MaxBytes: w.settings.MaxBytes,
		WriteFault: n.writeFault,
	}
	for i, e := range entries {
		line := &n.info.Table[i]
		line.ID, line.Role, line.PrimaryID, line.ConfigEpoch, line.Addr = e.id, e.role, e.primary, e.epoch, e.addr()
		line.Connected, line.Awaited, line.Flags, line.Slots = e.missed == 0, e.missed > 0, e.flags(n), set(e.slots)
		n.shown[i] = e.slots
		if e == n.self() {
			line.Open = n.marks.list()
		}
	}
	return n.info
}

// uptime is 0, and then what nobody takes for new any more: each value is a view of its own.
func (w *World) uptime(n *node) time.Duration {
	const grown = 15
	if w.now-n.started < grown {
		return 0
	}
	return grown * time.Second
}

// shows says that the node's info has just these entries.
func (n *node) shows(entries []*entry) bool {
	if len(entries) != len(n.info.Table) {
		return false
	}
	for i, e := range entries {
		line := &n.info.Table[i]
		if line.ID != e.id || line.Role != e.role || line.PrimaryID != e.primary || line.ConfigEpoch != e.epoch ||
			line.Addr != e.addr() || line.Connected != (e.missed == 0) || line.Flags != e.flags(n) || n.shown[i] != e.slots {
			return false
		}
	}
	return true
}

func (e *entry) addr() cluster.Addr { return cluster.Addr{IP: e.ip, Port: port, BusPort: busPort} }

func (e *entry) flags(of *node) cluster.Flags {
	if e == of.self() {
		return cluster.Flags{Myself: true}
	}
	return cluster.Flags{Handshake: e.handshake, NoAddr: e.ip == "", PFail: e.pfail && !e.fail, Fail: e.fail}
}

// Owned is the slots that some running node owns by its own word.
func (w *World) Owned() cluster.SlotSet {
	var owned cluster.SlotSet
	for _, n := range w.running() {
		owned = owned.Union(set(n.self().slots))
	}
	return owned
}

// Held is the slots all of whose keys are in some node that runs, or on a volume.
func (w *World) Held() cluster.SlotSet {
	return w.everything().whole()
}

// everything is the keys that are in some node that runs, or on a volume.
func (w *World) everything() dataset {
	var held dataset
	for _, n := range w.running() {
		held = held.plus(n.data)
	}
	for _, n := range w.disks {
		held = held.plus(n.data)
	}
	return held
}

// running is the nodes of our pods that run, in order.
func (w *World) running() []*node {
	var nodes []*node
	for _, p := range w.pods {
		if p.node != nil {
			nodes = append(nodes, p.node)
		}
	}
	return nodes
}

// reachable is the node that listens at the address.
func (w *World) reachable(ip string) *node {
	if ip == "" {
		return nil
	}
	for _, p := range w.pods {
		if p.node != nil && p.node.self().ip == ip {
			return p.node
		}
	}
	for _, n := range w.strays {
		if n.self().ip == ip {
			return n
		}
	}
	return nil
}

func (w *World) pod(name string) *pod {
	for _, p := range w.pods {
		if p.Name == name {
			return p
		}
	}
	panic("clustertest: no pod " + name)
}

// String is the world as CLUSTER NODES tables, for the message of a failed test.
func (w *World) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "tick %d, seed %d\n", w.now, w.settings.Seed)
	b.WriteString(Describe(w.View()))
	return b.String()
}

// Describe is a view as CLUSTER NODES tables.
func Describe(v cluster.View) string {
	var b strings.Builder
	states := []string{"pending", "running", "terminating", "ended"}
	for _, m := range v.Members {
		fmt.Fprintf(&b, "%s %s on %s/%s ip=%s outdated=%v class=%v %s\n", m.Pod.Name, states[m.Pod.State], m.Pod.Zone, m.Pod.Host,
			m.Pod.IP, m.Pod.Outdated, m.Pod.Class, m.Pod.Trouble)
		if m.Info == nil {
			fmt.Fprintf(&b, "  not seen: %s\n", m.Unseen)
			continue
		}
		for _, n := range m.Info.Table {
			fmt.Fprintf(&b, "  %s %s %s %s %d %v %s %v\n", n.ID.Short(), n.Addr.IP, flags(n), n.PrimaryID.Short(),
				n.ConfigEpoch, n.Connected, n.Slots, n.Open)
		}
	}
	return b.String()
}

func flags(n cluster.Node) string {
	words := []string{[]string{"unknown", "master", "slave"}[n.Role]}
	for _, f := range []struct {
		set  bool
		word string
	}{
		{n.Flags.Myself, "myself"},
		{n.Flags.Handshake, "handshake"},
		{n.Flags.NoAddr, "noaddr"},
		{n.Flags.PFail, "fail?"},
		{n.Flags.Fail, "fail"},
	} {
		if f.set {
			words = append(words, f.word)
		}
	}
	return strings.Join(words, ",")
}
