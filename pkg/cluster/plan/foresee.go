package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// foreseenRules are those whose steps change what there is, in the order of rules, and those that say why there are
// none. Who has yet to hear of whom is not part of an outline.
var foreseenRules = []rule{
	cancelMigrations, replaceEndedPods, replaceStuckPods, dropUnstartedPods, createMissingPods,
	coverSlots, attachReplicas, resizePods, applySettings,
	promoteTarget, closeOpenSlots, drainSurplusShards, deleteSurplusPods, balanceSlots,
	reportLostSlots, waitForNodes, reportHalfMoved, reportStrayKeys, refuseOverfull, rollOnePod, reportMaintenance,
}

// Outline says what Next will do from here, step by step until there is nothing left to do, without doing anything.
// It takes everything that is there to be in order, and everything that is decided to be done at once: what will be
// waited for on the way is not part of it. A pause is not looked at: it is what comes after it.
func Outline(w Wanted, v cluster.View) Outlined {
	if w.Hibernate {
		return outlineHibernation(v)
	}
	w.Paused, w.foreseen = false, true
	if !w.ZoneAware {
		v = v.WithoutZones()
	}
	for _, decide := range []rule{refuseTwins, refuseStrangers, waitForFailover, reportLostSlots} {
		if d, ok := decide(w, v); ok {
			return Outlined{Waits: d.Message}
		}
	}
	f := &foreseer{w: w, v: ideal(v), newShards: map[cluster.NodeID]string{}, newPods: map[string]bool{}}
	if d, ok := waitForNodes(w, f.v); ok {
		return Outlined{Waits: d.Message}
	}
	if c := v.Owners(); slices.ContainsFunc(c, func(c cluster.Claim) bool { return c.Hearsay }) {
		return Outlined{Waits: "slots have owners that are in no pod"}
	}
	for range 8 * (len(v.Members) + w.Pods() + 1) {
		if !f.goOn() && !f.approve() {
			break
		}
	}
	f.flush()
	return f.out
}

// outlineHibernation is what becomes of the pods of a cluster that is to hibernate.
func outlineHibernation(v cluster.View) Outlined {
	var o Outlined
	for _, primaries := range []bool{false, true} {
		for _, m := range slices.Backward(v.Members) {
			if v.Claimed(m.ID()) == primaries {
				o.PodsDeleted = append(o.PodsDeleted, m.Pod.Name)
			}
		}
	}
	if n := len(o.PodsDeleted); n > 0 {
		o.Steps = []string{fmt.Sprintf("deleting %s, replicas first; the volumes stay: %s", count(n, "pod", "pods"),
			list(o.PodsDeleted))}
	}
	return o
}

// ideal is the view as it will be when all that is under way has come to its end: pods that start have started, those
// that stop are gone, replicas are in sync. Each node's table is its own line: what it says of itself is so.
func ideal(v cluster.View) cluster.View {
	seen := cluster.View{Hosts: v.Hosts, Weights: v.Weights}
	var epoch uint64
	for _, m := range v.Members {
		switch {
		case m.Pod.State == cluster.PodTerminating:
			continue
		case unstarted(m) && m.Pod.Trouble == "" && !m.Pod.Outdated:
			m = newcomer(v, m.Pod)
		case m.Info != nil:
			info := *m.Info
			self := info.Self()
			info.Table, info.LinkUp, info.StateOK = cluster.Table{self}, true, true
			m.Info, m.Pod.Ready = &info, true
			if m.Pod.Resize != cluster.ResizeDue {
				m.Pod.Resize = cluster.ResizeNone
			}
			epoch = max(epoch, self.ConfigEpoch, info.CurrentEpoch)
		}
		seen.Members = append(seen.Members, m)
	}
	for _, m := range seen.Members {
		if m.Info == nil {
			continue
		}
		if self := &m.Info.Table[0]; self.Role == cluster.Primary && !self.Slots.IsEmpty() {
			epoch++ // each has one of its own
			self.ConfigEpoch = epoch
		}
	}
	hear(seen, epoch)
	return seen
}

// hear tells all nodes of the newest epoch.
func hear(v cluster.View, epoch uint64) {
	for _, m := range v.Members {
		if m.Info != nil {
			m.Info.CurrentEpoch = epoch
		}
	}
}

// newcomer is the node that a new pod will have. Where its pod will run is not known.
func newcomer(v cluster.View, pod cluster.Pod) cluster.Member {
	info := &cluster.NodeInfo{LinkUp: true, StateOK: true}
	for _, m := range v.Members {
		if m.Info != nil {
			info.MaxBytes, info.CurrentEpoch = m.Info.MaxBytes, max(info.CurrentEpoch, m.Info.CurrentEpoch)
			info.UsedBytes = max(0, m.Info.UsedBytes-m.Info.DataBytes)
		}
	}
	id := cluster.NodeID("new-" + strconv.Itoa(pod.Ordinal))
	info.Table = cluster.Table{{ID: id, Role: cluster.Primary, Flags: cluster.Flags{Myself: true}, Connected: true}}
	pod.State, pod.Ready = cluster.PodRunning, true
	return cluster.Member{Pod: pod, Info: info}
}

// foreseer goes from step to step, in a view of its own.
type foreseer struct {
	w         Wanted
	v         cluster.View
	out       Outlined
	newShards map[cluster.NodeID]string // what primaries in pods that do not exist yet are called
	newPods   map[string]bool
	moves     []foreseenMove // since the last step of another kind
	deletes   []string
}

// foreseenMove is a move and the nodes that it is between.
type foreseenMove struct {
	from, to cluster.NodeID
	OutlinedMove
}

// goOn takes one step, and says whether there was one.
func (f *foreseer) goOn() bool {
	v := cluster.View{Members: slices.Clone(f.v.Members), Hosts: f.v.Hosts, Weights: f.v.Weights}.Studied()
	w := f.w
	w.Replicas = whileDraining(w, v)
	w.lent = lent(w, v)
	for _, decide := range foreseenRules {
		d, ok := decide(w, v)
		if !ok {
			continue
		}
		if _, waits := d.Step.(Wait); !waits {
			f.take(d)
			return true
		}
		switch d.Reason {
		case AwaitingWindow: // what comes after it is what will be done in it
			f.flush()
			f.say("waiting for a window: " + d.Message)
			f.w.Closed = ""
			return true
		case DataDoesNotFit:
			f.out.Refused = d.Message
		default:
			f.out.Waits = d.Message
		}
		return false
	}
	return false
}

// approve has a person approve what is held, once everything else is done, and says whether anything is. What comes
// after it is part of the outline: it is what would be approved.
func (f *foreseer) approve() bool {
	held, ok := reportHeldUpdate(f.w, f.v)
	if !ok || f.out.Waits != "" || f.out.Refused != "" {
		return false
	}
	f.flush()
	f.say("waiting for a person: " + held.Message)
	f.w.HoldPrimaries = false
	return true
}

// take carries out a step on the view, and says so.
func (f *foreseer) take(d Decision) {
	if _, moves := d.Step.(MoveSlots); !moves {
		f.flushMoves()
	}
	if _, deletes := d.Step.(DeletePod); !deletes {
		f.flushDeletes()
	}
	switch s := d.Step.(type) {
	case CreatePods:
		f.create(s.Ordinals)
	case DeletePod:
		f.delete(s, d)
	case AddSlots:
		for _, g := range s.Grants {
			f.self(g.Node).Slots = f.self(g.Node).Slots.Union(g.Slots)
		}
		f.say(d.Message)
	case Replicate:
		f.replicate(s)
	case MoveSlots:
		for _, m := range s.Moves {
			f.move(m)
		}
		f.w.Moving = true
	case CloseSlots:
		f.close(s)
		f.say(d.Message)
	case Failover:
		f.failover(s)
		f.out.Failovers++
		f.say(d.Message)
	case ResizePod:
		f.resize(s.Pod)
		f.say(d.Message)
	case Configure:
		f.configure()
		f.say(d.Message)
	case Meet, Forget, UpdateAgent, Wait:
	}
}

// delete takes a pod away, or makes it anew.
func (f *foreseer) delete(s DeletePod, d Decision) {
	if d.Reason == RollingUpdate {
		f.renew(s.Pod)
		f.say(d.Message)
		return
	}
	f.deletes = append(f.deletes, s.Pod)
	f.out.PodsDeleted = append(f.out.PodsDeleted, s.Pod)
	f.v.Members = slices.DeleteFunc(f.v.Members, func(m cluster.Member) bool { return m.Pod.Name == s.Pod })
}

// configure has every node run with what the spec says, as far as it can while it runs.
func (f *foreseer) configure() {
	for i := range f.v.Members {
		f.v.Members[i].Drift = nil
	}
}

// resize gives a pod the memory and processors of the spec.
func (f *foreseer) resize(pod string) {
	for i := range f.v.Members {
		if f.v.Members[i].Pod.Name == pod {
			f.v.Members[i].Pod.Resize = cluster.ResizeNone
		}
	}
}

// renew makes a pod one of the spec's template, with a volume of the spec's class.
func (f *foreseer) renew(pod string) {
	for i := range f.v.Members {
		if m := &f.v.Members[i]; m.Pod.Name == pod {
			m.Pod.Outdated, m.Pod.Class.Has, m.Restart = false, m.Pod.Class.Wants, nil
		}
	}
	f.out.PodsReplaced = append(f.out.PodsReplaced, pod)
}

// failover has a replica take the place of its primary, which follows it when it is there.
func (f *foreseer) failover(s Failover) {
	heir := f.self(s.Node)
	heir.Role, heir.PrimaryID = cluster.Primary, ""
	for _, m := range f.v.Members {
		switch self := &m.Info.Table[0]; {
		case m.ID() == s.Primary:
			heir.Slots, self.Slots = self.Slots, cluster.SlotSet{}
			self.Role, self.PrimaryID = cluster.Replica, s.Node
		case self.PrimaryID == s.Primary:
			self.PrimaryID = s.Node
		}
	}
}

func (f *foreseer) say(sentence string) { f.out.Steps = append(f.out.Steps, sentence) }

// info and self are what a node of the view says; they may be changed.
func (f *foreseer) info(id cluster.NodeID) *cluster.NodeInfo {
	m, _ := f.v.Member(id)
	return m.Info
}

func (f *foreseer) self(id cluster.NodeID) *cluster.Node { return &f.info(id).Table[0] }

func (f *foreseer) create(ordinals []int) {
	base := "pod"
	if len(f.v.Members) > 0 {
		name := f.v.Members[0].Pod.Name
		base = name[:max(0, strings.LastIndexByte(name, '-'))]
	}
	var names []string
	for _, ordinal := range ordinals {
		pod := cluster.Pod{Name: base + "-" + strconv.Itoa(ordinal), Ordinal: ordinal}
		f.v.Members = append(f.v.Members, newcomer(f.v, pod))
		f.newPods[pod.Name] = true
		names = append(names, pod.Name)
	}
	slices.SortStableFunc(f.v.Members, func(a, b cluster.Member) int { return cmp.Compare(a.Pod.Ordinal, b.Pod.Ordinal) })
	f.out.PodsCreated = append(f.out.PodsCreated, ordinals...)
	slices.Sort(f.out.PodsCreated)
	f.say(fmt.Sprintf("creating %s: %s", count(len(names), "pod", "pods"), list(names)))
}

// name is the pod of a primary, or "new shard 1": which of the new pods it will be in depends on where they run.
func (f *foreseer) name(id cluster.NodeID) string {
	m, _ := f.v.Member(id)
	if !f.newPods[m.Pod.Name] {
		return m.Pod.Name
	}
	if f.newShards[id] == "" {
		f.newShards[id] = "new shard " + strconv.Itoa(len(f.newShards)+1)
	}
	return f.newShards[id]
}

func (f *foreseer) replicate(s Replicate) {
	var words []string
	slices.SortStableFunc(s.Links, func(a, b Link) int { return cmp.Compare(f.ordinal(a.Primary), f.ordinal(b.Primary)) })
	for _, l := range s.Links {
		self := f.self(l.Node)
		self.Role, self.PrimaryID, self.Slots = cluster.Replica, l.Primary, cluster.SlotSet{}
		who := l.Pod
		if f.newPods[who] {
			who = "a new pod"
		}
		words = append(words, who+" of "+f.name(l.Primary))
	}
	f.say("making replicas: " + list(words))
}

func (f *foreseer) ordinal(id cluster.NodeID) int {
	m, _ := f.v.Member(id)
	return m.Pod.Ordinal
}

// move gives slots, and their part of what the source holds, to another node.
func (f *foreseer) move(m Move) {
	from, to := f.info(m.From.Node), f.info(m.To.Node)
	moved := OutlinedMove{From: f.name(m.From.Node), To: f.name(m.To.Node), Slots: m.Slots}
	moved.Bytes = bytesIn(f.v, cluster.Transfer{From: m.From.Node, To: m.To.Node, Slots: m.Slots})
	moved.Keys = from.Keys * int64(m.Slots.Len()) / int64(max(1, from.Table[0].Slots.Len()))
	from.Keys, to.Keys = from.Keys-moved.Keys, to.Keys+moved.Keys
	from.DataBytes, to.DataBytes = from.DataBytes-moved.Bytes, to.DataBytes+moved.Bytes
	from.UsedBytes, to.UsedBytes = from.UsedBytes-moved.Bytes, to.UsedBytes+moved.Bytes
	from.Table[0].Slots = from.Table[0].Slots.Minus(m.Slots)
	to.Table[0].Slots = to.Table[0].Slots.Union(m.Slots)
	epoch := to.CurrentEpoch + 1
	to.Table[0].ConfigEpoch = epoch
	hear(f.v, epoch)

	at := slices.IndexFunc(f.moves, func(o foreseenMove) bool { return o.from == m.From.Node && o.to == m.To.Node })
	if at < 0 {
		f.moves = append(f.moves, foreseenMove{m.From.Node, m.To.Node, moved})
		return
	}
	pair := &f.moves[at]
	pair.Slots, pair.Keys, pair.Bytes = pair.Slots.Union(m.Slots), pair.Keys+moved.Keys, pair.Bytes+moved.Bytes
}

// close brings open slots to their end.
func (f *foreseer) close(s CloseSlots) {
	for _, m := range s.Finish {
		f.move(m)
	}
	for _, m := range f.v.Members {
		m.Info.Table[0].Open, m.Info.Tasks = nil, nil
	}
}

// flush says what has been gathered of moves and deletes, of which there are never both.
func (f *foreseer) flush() {
	f.flushMoves()
	f.flushDeletes()
}

func (f *foreseer) flushDeletes() {
	if n := len(f.deletes); n > 0 {
		f.say(fmt.Sprintf("deleting %s, one after the other: %s", count(n, "pod", "pods"), list(f.deletes)))
	}
	f.deletes = nil
}

func (f *foreseer) flushMoves() {
	slices.SortStableFunc(f.moves, func(a, b foreseenMove) int {
		return cmp.Or(cmp.Compare(f.ordinal(a.from), f.ordinal(b.from)), cmp.Compare(f.ordinal(a.to), f.ordinal(b.to)))
	})
	for _, m := range f.moves {
		f.say(fmt.Sprintf("moving %s from %s to %s: %s", count(m.Slots.Len(), "slot", "slots"), m.From, m.To, m.Slots))
		f.out.Slots += m.Slots.Len()
		f.out.Keys += m.Keys
		f.out.Bytes += m.Bytes
		f.out.Moves = append(f.out.Moves, m.OutlinedMove)
	}
	f.moves = nil
}
