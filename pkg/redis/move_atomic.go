package redis

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const (
	// The servers are asked at once after something has changed, and then less and less often.
	shortestPoll = 3 * time.Millisecond
	longestPoll  = 25 * time.Millisecond
	// mostTries bounds how often a migration that ended without a word is begun again.
	mostTries = 3
)

// atomicPair says whether these two servers can migrate whole slots by themselves: both can, and in the same way.
func atomicPair(from, to MoveEnd) bool {
	kind := migrationsOf(from.Version)
	return kind != noMigrations && kind == migrationsOf(to.Version)
}

// moveAtomic moves slots by the servers' own migrations. There is one Moved for each move, also beside an error.
//
// It remembers nothing: a migration that runs, whoever asked for it, is joined, and what is missing is begun. When
// the budget is spent or the caller gives up, the servers go on alone.
func (c *Clients) moveAtomic(ctx context.Context, moves []SlotMove, o MoveOptions) ([]Moved, error) {
	m := newAtomicMover(c, moves, o)
	m.look(ctx)
	begin, stop := context.WithTimeout(ctx, o.Budget) // not before: every call is to begin something
	defer stop()
	wait := shortestPoll
	for m.start(ctx, begin); m.unfinished(); m.start(ctx, begin) {
		inTime := pause(begin, wait)
		if m.poll(ctx) {
			wait = shortestPoll
		} else {
			wait = min(wait*9/8, longestPoll)
		}
		if !inTime {
			break
		}
	}
	return m.result(ctx)
}

// pause waits, and says whether the context goes on.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// atomicMover is one call of moveAtomic.
type atomicMover struct {
	clients *Clients
	options MoveOptions
	moves   []*atomicMove
	nodes   []*atomicNode
}

// atomicMove is a SlotMove and how far it has come. Each of its slots is in one of moved.Slots, left and under; or
// in none of them, when err says why it cannot be moved.
type atomicMove struct {
	from, to *atomicNode
	slots    cluster.SlotSet
	left     cluster.SlotSet // still to be begun
	under    cluster.SlotSet // under way
	moved    Moved
	tries    int
	err      error
}

func (mv *atomicMove) finished() bool {
	return mv.err != nil || mv.left.IsEmpty() && mv.under.IsEmpty()
}

func (mv *atomicMove) fail(err error) { mv.err = errors.Join(mv.err, err) }

// atomicNode is a server and what it last said.
type atomicNode struct {
	MoveEnd
	kind   migrations
	self   cluster.Node
	tasks  []serverTask
	told   []serverTask    // what a target of Valkey says of why it failed
	old    map[string]bool // tasks that are known to have ended
	load   slotCounts      // of a source
	memory info
	took   bool  // a task has been begun since tasks were asked for
	err    error // it does not answer, and is left alone
}

func newAtomicMover(c *Clients, moves []SlotMove, o MoveOptions) *atomicMover {
	m := &atomicMover{clients: c, options: o}
	for _, move := range moves {
		m.moves = append(m.moves, &atomicMove{
			from: m.node(move.From), to: m.node(move.To), slots: move.Slots, left: move.Slots,
		})
	}
	return m
}

func (m *atomicMover) node(end MoveEnd) *atomicNode {
	for _, node := range m.nodes {
		if node.ID == end.ID {
			return node
		}
	}
	node := &atomicNode{MoveEnd: end, kind: migrationsOf(end.Version), old: map[string]bool{}}
	m.nodes = append(m.nodes, node)
	return node
}

func (m *atomicMover) unfinished() bool {
	return slices.ContainsFunc(m.moves, func(mv *atomicMove) bool { return !mv.finished() })
}

// each does something with nodes at the same time. One that fails is left alone from then on, and so are its moves.
func (m *atomicMover) each(ctx context.Context, nodes []*atomicNode, op string,
	do func(context.Context, *atomicNode) error,
) {
	var group errgroup.Group
	for _, node := range nodes {
		group.Go(safely(func() error {
			node.err = m.clients.call(ctx, node.Endpoint, op, func(ctx context.Context) error { return do(ctx, node) })
			return nil
		}))
	}
	broken := group.Wait() // every other error is at its node
	for _, mv := range m.moves {
		if mv.finished() {
			continue
		}
		for _, node := range []*atomicNode{mv.from, mv.to} {
			if node.err != nil {
				mv.fail(node.err)
			}
		}
		if broken != nil {
			mv.fail(broken)
		}
	}
}

// look finds out where everything stands: who owns what, what is under way, and how much there is to move.
func (m *atomicMover) look(ctx context.Context) {
	m.each(ctx, m.nodes, "slot migrations", func(ctx context.Context, node *atomicNode) error {
		replies, err := m.clients.do(ctx, node.Endpoint,
			command{"CLUSTER", "NODES"}, node.kind.status(), command{"INFO", "memory"})
		if err != nil {
			return err
		}
		node.tasks, node.memory = node.kind.parseTasks(replies[1]), parseInfo(replies[2].text)
		for _, task := range node.tasks {
			node.old[task.ID] = !task.alive
		}
		return node.readSelf(replies[0].text)
	})
	for _, mv := range m.moves {
		if mv.finished() {
			continue
		}
		mv.arrived(mv.slots)
		mv.join()
		mv.check()
	}
	m.copyFunctions(ctx)
	m.each(ctx, m.sources(), "count keys", func(ctx context.Context, node *atomicNode) (err error) {
		node.load, err = m.clients.countSlots(ctx, node.Endpoint, m.leaving(node))
		return err
	})
}

// copyFunctions: Redis does it with every migration, Valkey with none.
func (m *atomicMover) copyFunctions(ctx context.Context) {
	var asked []*atomicNode
	for _, mv := range m.moves {
		if mv.finished() || mv.to.kind != byExport || !mv.to.self.Slots.IsEmpty() || slices.Contains(asked, mv.to) {
			continue
		}
		asked = append(asked, mv.to)
		if err := m.clients.copyFunctions(ctx, mv.from.MoveEnd, mv.to.MoveEnd); err != nil {
			mv.fail(err)
		}
	}
}

func (n *atomicNode) readSelf(nodes string) error {
	table, err := cluster.ParseNodes(nodes)
	if err != nil {
		return errorf(ErrNotRedis, "%v", err)
	}
	self, found := table.Self()
	if !found || self.ID != n.ID {
		return errorf(ErrUnknownNode, "%s is not there any more, but %s", n.ID.Short(), self.ID.Short())
	}
	n.self = self
	return nil
}

// sources are the nodes that unfinished moves come from.
func (m *atomicMover) sources() []*atomicNode {
	var sources []*atomicNode
	for _, mv := range m.moves {
		if !mv.finished() && !slices.Contains(sources, mv.from) {
			sources = append(sources, mv.from)
		}
	}
	return sources
}

// leaving are the slots that are to go from the node.
func (m *atomicMover) leaving(node *atomicNode) cluster.SlotSet {
	var leaving cluster.SlotSet
	for _, mv := range m.moves {
		if mv.from == node && !mv.finished() {
			leaving = leaving.Union(mv.left).Union(mv.under)
		}
	}
	return leaving
}

// arrived takes note of those of the slots that the target owns by its own word.
func (mv *atomicMove) arrived(slots cluster.SlotSet) {
	done := slots.Intersect(mv.to.self.Slots).Minus(mv.moved.Slots)
	mv.left, mv.under = mv.left.Minus(done), mv.under.Minus(done)
	mv.moved.Slots = mv.moved.Slots.Union(done)
	for slot := range done.All() {
		mv.moved.Keys += mv.from.load.keys[slot]
		mv.moved.Bytes += mv.from.load.bytes(slot)
	}
}

// join takes note of what is under way.
func (mv *atomicMove) join() {
	var under cluster.SlotSet
	for _, task := range mv.driver().tasks {
		if task.carries(mv) {
			under = under.Union(task.Slots.Intersect(mv.slots))
		}
	}
	mv.under = under.Minus(mv.moved.Slots)
	mv.left = mv.left.Minus(mv.under)
}

// driver is the server that is told.
func (mv *atomicMove) driver() *atomicNode {
	if mv.from.kind == byExport {
		return mv.from
	}
	return mv.to
}

// carries says whether the task, as its driver tells of it, brings slots of the move to their target. One that has
// failed and will be tried again is better replaced.
func (t serverTask) carries(mv *atomicMove) bool {
	return t.drives && t.alive && !t.failed && t.Source == mv.from.ID && t.Target == mv.to.ID &&
		!t.Slots.Intersect(mv.slots).IsEmpty()
}

// check says what keeps slots from being begun. The others are begun all the same.
func (mv *atomicMove) check() {
	if mv.left.IsEmpty() {
		return
	}
	if mv.to.self.Role != cluster.Primary {
		mv.fail(failed("migrate slots", mv.to.Endpoint, errorf(ErrNotPrimary, "%s cannot own slots", mv.to.ID.Short())))
		return
	}
	if lost := mv.left.Minus(mv.from.self.Slots); !lost.IsEmpty() {
		err := errorf(ErrNotOwner, "%s does not own %s", mv.from.ID.Short(), lost)
		mv.fail(failed("migrate slots", mv.from.Endpoint, err))
		return
	}
	for _, task := range mv.from.tasks {
		if taken := task.Slots.Intersect(mv.left); task.alive && task.drives && !taken.IsEmpty() {
			mv.fail(failed("migrate slots", mv.from.Endpoint, errorf(ErrBusySlot, "%s go to %s", taken, task.Target.Short())))
			return
		}
	}
}

// result is what has come of it.
func (m *atomicMover) result(ctx context.Context) ([]Moved, error) {
	moved := make([]Moved, len(m.moves))
	var errs []error
	for i, mv := range m.moves {
		mv.moved.Running = !mv.under.IsEmpty()
		moved[i] = mv.moved
		if mv.err != nil && !slices.ContainsFunc(errs, func(err error) bool { return err.Error() == mv.err.Error() }) {
			errs = append(errs, mv.err)
		}
	}
	if ctx.Err() != nil {
		return moved, ctx.Err()
	}
	return moved, errors.Join(errs...)
}

// migrateCommand asks for the migration of slots, and says of whom.
func (mv *atomicMove) migrateCommand(slots cluster.SlotSet) (*atomicNode, command) {
	var cmd command
	if mv.from.kind == byExport {
		cmd = command{"CLUSTER", "MIGRATESLOTS", "SLOTSRANGE"}
	} else {
		cmd = command{"CLUSTER", "MIGRATION", "IMPORT"}
	}
	for _, r := range slots.Ranges() {
		cmd = append(cmd, strconv.Itoa(int(r.First)), strconv.Itoa(int(r.Last)))
	}
	if mv.from.kind == byExport {
		cmd = append(cmd, "NODE", string(mv.to.ID))
	}
	return mv.driver(), cmd
}

// taskWaits are words of Redis for what is over in a moment.
var taskWaits = []string{"asm task is already in progress", "notready", "trim job in progress"}

func isPassing(words string) bool {
	words = strings.ToLower(words)
	return slices.ContainsFunc(taskWaits, func(p string) bool { return strings.Contains(words, p) })
}
