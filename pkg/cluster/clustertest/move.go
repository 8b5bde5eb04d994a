package clustertest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// stage is how far a move has come when it is cut.
type stage int

const (
	stageNothing stage = iota
	stageImport        // IMPORTING at the target only
	stageMarked        // and MIGRATING at the source
	stageHalf          // one of two keys has gone
	stageTwice         // and the other is at both ends
	stageEmptied       // all keys have gone
	stageTaken         // NODE at the target only: the source hears of it, and keeps its mark
	stageGiven         // NODE at both ends
	stageDone
)

// windowSize is the most slots that are half way at the same time.
const windowSize = 64

// ends is the two nodes of a move, asked as the mover asks: both must be there, primaries, and know each other.
func (w *World) ends(m plan.Move) (from, to *node, err error) {
	if from, err = w.nodeIn(m.From.Pod, m.From.Node); err != nil {
		return nil, nil, err
	}
	if to, err = w.nodeIn(m.To.Pod, m.To.Node); err != nil {
		return nil, nil, err
	}
	for _, n := range []*node{from, to} {
		if n.self().role != cluster.Primary {
			return nil, nil, fmt.Errorf("%w: %s is a replica", ErrRefused, n.id)
		}
	}
	if from.find(to.id) == nil || to.find(from.id) == nil {
		return nil, nil, fmt.Errorf("%w: %s and %s do not know each other", ErrRefused, m.From.Pod, m.To.Pod)
	}
	return from, to, nil
}

// moveAll moves up to Pace slots of each move. When it is cut, a last window is left at any stage.
func (w *World) moveAll(s plan.MoveSlots) error {
	cut := w.rng.Float64() < w.settings.Cuts
	var errs []error
	for _, m := range s.Moves {
		from, to, err := w.ends(m)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		slots := m.Slots.Intersect(set(from.self().slots))
		if w.settings.Atomic {
			w.begin(from, to, slots)
			continue
		}
		pace := slots.Len()
		if w.settings.Pace > 0 {
			pace = min(pace, w.settings.Pace)
		}
		if w.cutAt != stageNothing {
			done := slots.Take(pace / 2)
			errs = append(errs, w.carry(from, to, done, stageDone),
				w.carry(from, to, slots.Minus(done).Take(windowSize), w.cutAt))
			continue
		}
		if !cut {
			errs = append(errs, w.carry(from, to, slots.Take(pace), stageDone))
			continue
		}
		done := slots.Take(w.rng.IntN(pace + 1))
		window := slots.Minus(done).Take(1 + w.rng.IntN(windowSize))
		errs = append(errs, w.carry(from, to, done, stageDone), w.carry(from, to, window, w.anyStage()))
	}
	w.cutAt = stageNothing
	return errors.Join(errs...)
}

func (w *World) anyStage() stage { return stage(w.rng.IntN(int(stageDone) + 1)) }

// carry moves slots up to a stage, from wherever they are.
func (w *World) carry(from, to *node, slots cluster.SlotSet, until stage) error {
	if slots.IsEmpty() || until == stageNothing {
		return nil
	}
	w.cutShort(from, to, slots, until)
	to.marks = to.marks.with(true, from.id, slots)
	if until >= stageMarked {
		from.marks = from.marks.with(false, to.id, slots)
	}
	if until >= stageHalf {
		gone := dataset{slots}
		w.put(to, dataset{from.data[0].Intersect(slots)})
		from.write(from.data.without(gone))
	}
	if until >= stageTwice {
		w.put(to, from.data.in(slots))
	}
	if until >= stageEmptied {
		from.write(from.data.minus(slots))
	}
	if until < stageTaken {
		return nil // the source's replicas have yet to hear of what has gone
	}
	w.drop(from, slots)
	if err := w.setNode(to, slots, to.id); err != nil {
		return err
	}
	w.moved[1] = w.moved[1].Union(w.moved[0].Intersect(slots))
	w.moved[0] = w.moved[0].Union(slots)
	for _, n := range w.running() { // who takes a slot tells everybody at once
		if n != to {
			n.hear(to)
		}
	}
	if until >= stageGiven {
		if err := w.setNode(from, slots, to.id); err != nil {
			return err
		}
	}
	if until >= stageDone {
		for _, n := range w.running() {
			if n != from && n != to && n.self().role == cluster.Primary && n.find(to.id) != nil {
				_ = w.setNode(n, slots, to.id) // it would hear of it anyway
			}
		}
	}
	return nil
}

// halfMove is a move that was cut.
type halfMove struct {
	from, to cluster.NodeID
	slots    cluster.SlotSet
}

// cutShort remembers which slots are half way.
func (w *World) cutShort(from, to *node, slots cluster.SlotSet, at stage) {
	for i := range w.half {
		w.half[i].slots = w.half[i].slots.Minus(slots)
	}
	w.half = slices.DeleteFunc(w.half, func(h halfMove) bool { return h.slots.IsEmpty() })
	if at < stageTaken {
		w.half = append(w.half, halfMove{from.id, to.id, slots})
		return
	}
	for i := range w.unmarked {
		w.unmarked[i] = w.unmarked[i].Minus(slots)
	}
}

// loseMarks is a failover: who takes over has not heard of the open slots.
func (w *World) loseMarks(primary cluster.NodeID) {
	if w.settings.CopyMarks {
		return
	}
	for _, h := range w.half {
		if h.from == primary {
			w.unmarked[0] = w.unmarked[0].Union(h.slots)
		}
		if h.to == primary {
			w.unmarked[1] = w.unmarked[1].Union(h.slots)
		}
	}
	w.forgotten = w.forgotten.Union(w.unmarked[0].Intersect(w.unmarked[1]))
}

// put gives keys to a primary and the replicas that are in sync: the mover waits for them.
func (w *World) put(n *node, keys dataset) {
	n.write(n.data.plus(keys))
	for _, r := range w.copies(n) {
		r.data, r.offset = r.data.plus(keys), n.offset
	}
}

// drop takes the keys of slots from a primary and the replicas that are in sync: the mover waits for them, too.
func (w *World) drop(n *node, slots cluster.SlotSet) {
	n.write(n.data.minus(slots))
	for _, r := range w.copies(n) {
		r.data, r.offset = r.data.minus(slots), n.offset
	}
}

// copies is the replicas of the node that are in sync.
func (w *World) copies(n *node) []*node {
	return slices.DeleteFunc(w.running(), func(r *node) bool {
		return r.self().role != cluster.Replica || r.self().primary != n.id || r.copying > 0
	})
}

// setNode is CLUSTER SETSLOT NODE.
func (w *World) setNode(n *node, slots cluster.SlotSet, owner cluster.NodeID) error {
	self, e := n.self(), n.find(owner)
	mine := set(self.slots).Intersect(slots)
	switch {
	case self.role != cluster.Primary:
		return fmt.Errorf("%w: SETSLOT only with primaries", ErrRefused)
	case e == nil:
		return fmt.Errorf("%w: %s does not know %s", ErrRefused, n.id, owner)
	case owner != n.id && !n.data.in(mine).some().IsEmpty():
		return fmt.Errorf("%w: %s still has keys of slots %s", ErrRefused, n.id, n.data.in(mine).some())
	}
	for _, other := range n.table {
		if other != e && other.slots != nil {
			other.slots = share(set(other.slots).Minus(slots))
		}
	}
	e.slots = share(set(e.slots).Union(slots))
	n.marks = n.marks.without(slots.Minus(n.data.some()), false)
	if owner != n.id || n.marks.slots(true).Intersect(slots).IsEmpty() {
		return nil
	}
	n.marks = n.marks.without(slots, true)
	for _, other := range n.table {
		n.current = max(n.current, other.epoch)
	}
	if self.epoch != n.current || self.epoch == 0 {
		n.current++
		self.epoch = n.current
	}
	return nil
}

// closeAll brings open slots to an end, as the operator does.
func (w *World) closeAll(s plan.CloseSlots) error {
	until := stageDone
	if w.rng.Float64() < w.settings.Cuts {
		until = w.anyStage()
	}
	var errs []error
	for _, m := range s.Finish {
		errs = append(errs, w.finish(m, until))
	}
	for _, m := range s.Undo {
		errs = append(errs, w.undo(m, until))
	}
	for _, m := range s.Clear {
		errs = append(errs, w.clear(m))
	}
	for _, c := range s.Cancel {
		n, err := w.nodeIn(c.Pod, c.Node)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		n.tasks = slices.DeleteFunc(n.tasks, func(t task) bool { return slices.Contains(c.Tasks, t.ID) })
	}
	return errors.Join(errs...)
}

// owned is the slots of a move, if From owns them and the caller knows whether it has taken somebody's place: which
// of two copies of a key is newer hangs on it.
func (w *World) owned(m plan.Move) (from, to *node, err error) {
	if from, to, err = w.ends(m); err != nil {
		return nil, nil, err
	}
	if foreign := m.Slots.Minus(set(from.self().slots)); !foreign.IsEmpty() {
		return nil, nil, fmt.Errorf("%w: %s does not own slots %s", ErrRefused, m.From.Pod, foreign)
	}
	for _, k := range to.marks {
		if k.importing && (k.peer != from.id) != m.FailedOver && !k.slots.Intersect(m.Slots).IsEmpty() {
			return nil, nil, fmt.Errorf("%w: %s imports from %s, and FailedOver is %v", ErrRefused, m.To.Pod, k.peer, m.FailedOver)
		}
	}
	return from, to, nil
}

func (w *World) finish(m plan.Move, until stage) error {
	from, to, err := w.owned(m)
	if err != nil {
		return err
	}
	return w.carry(from, to, m.Slots, until)
}

// undo brings the keys that have gone back to From.
func (w *World) undo(m plan.Move, until stage) error {
	from, to, err := w.owned(m)
	if err != nil || until < stageHalf {
		return err
	}
	if full := to.data.in(m.Slots).some(); !full.IsEmpty() {
		to.marks = to.marks.with(true, from.id, full)
	}
	w.put(from, to.data.in(m.Slots))
	if until < stageTaken {
		to.write(to.data.without(dataset{m.Slots})) // the other is at both ends
		return nil
	}
	w.drop(to, m.Slots)
	to.marks = to.marks.without(m.Slots, true, false)
	if until >= stageGiven {
		from.marks = from.marks.without(m.Slots, true, false)
	}
	w.cutShort(from, to, m.Slots, stageDone)
	return nil
}

// clear takes marks away. Keys in slots of somebody else are never left behind.
func (w *World) clear(m plan.Mark) error {
	n, err := w.nodeIn(m.Pod, m.Node)
	if err != nil {
		return err
	}
	if m.Owner != n.id {
		if keys := n.data.in(m.Slots).some(); !keys.IsEmpty() {
			return fmt.Errorf("%w: %s has keys of slots %s", ErrRefused, m.Pod, keys)
		}
		if err := w.setNode(n, m.Slots, m.Owner); err != nil {
			return err
		}
	}
	n.marks = n.marks.without(m.Slots, true, false)
	return nil
}

// task is a migration that the servers carry out by themselves.
type task struct {
	cluster.SlotTask
	doneAt int
}

const longestTask = 3

// begin has the servers migrate slots, unless they do already.
func (w *World) begin(from, to *node, slots cluster.SlotSet) {
	if slots.IsEmpty() || slices.ContainsFunc(from.tasks, func(t task) bool { return !t.Slots.Intersect(slots).IsEmpty() }) {
		return
	}
	w.born++
	t := task{
		SlotTask: cluster.SlotTask{ID: fmt.Sprintf("task-%d", w.born), Source: from.id, Target: to.id, Slots: slots},
		doneAt:   w.now + 1 + w.rng.IntN(longestTask),
	}
	from.tasks, to.tasks = append(from.tasks, t), append(to.tasks, t)
}

// migrate goes on with the servers' own migrations. One whose other end is not there, or does not know of it, fails.
func (w *World) migrate() {
	for _, n := range w.running() {
		for _, t := range slices.Clone(n.tasks) {
			from, to := w.withTask(t.Source, t.ID), w.withTask(t.Target, t.ID)
			owns := from != nil && t.Slots.Minus(set(from.self().slots)).IsEmpty()
			if owns && to != nil && w.now < t.doneAt {
				continue
			}
			n.tasks = slices.DeleteFunc(n.tasks, func(other task) bool { return other.ID == t.ID })
			if owns && to != nil {
				to.tasks = slices.DeleteFunc(to.tasks, func(other task) bool { return other.ID == t.ID })
				from.tasks = slices.DeleteFunc(from.tasks, func(other task) bool { return other.ID == t.ID })
				_ = w.carry(from, to, t.Slots, stageDone)
			}
		}
	}
}

// withTask is the primary that runs, has this ID, and takes part in the migration.
func (w *World) withTask(id cluster.NodeID, taskID string) *node {
	for _, n := range w.running() {
		if n.id == id && n.self().role == cluster.Primary &&
			slices.ContainsFunc(n.tasks, func(t task) bool { return t.ID == taskID }) {
			return n
		}
	}
	return nil
}

func tasksOf(n *node) []cluster.SlotTask {
	var tasks []cluster.SlotTask
	for _, t := range n.tasks {
		tasks = append(tasks, t.SlotTask)
	}
	return tasks
}

// Open leaves a slot between its owner and the next primary, as a move that was cut at a stage: "import", "marked",
// "half", "twice", "emptied", "taken" or "given".
func (w *World) Open(slot cluster.Slot, at string) *World {
	var source, target *node
	for _, n := range w.running() {
		switch {
		case set(n.self().slots).Has(slot):
			source = n
		case n.self().slots != nil && target == nil:
			target = n
		}
	}
	if err := w.carry(source, target, cluster.SlotSet{}.Add(slot), stageOf(at)); err != nil {
		panic(err)
	}
	return w
}

// NoCuts has moves done in full from now on.
func (w *World) NoCuts() { w.settings.Cuts = 0 }

// Cut has the next step that moves slots do half of it, and then be cut at a stage (see Open).
func (w *World) Cut(at string) *World {
	w.cutAt = stageOf(at)
	return w
}

func stageOf(name string) stage {
	at := slices.Index([]string{"nothing", "import", "marked", "half", "twice", "emptied", "taken", "given"}, name)
	if at < 0 {
		panic("clustertest: no stage " + name)
	}
	return stage(at)
}
