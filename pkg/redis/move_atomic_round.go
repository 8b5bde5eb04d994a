package redis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// start begins what can be begun. begin ends when nothing is to be begun any more.
func (m *atomicMover) start(ctx, begin context.Context) {
	if begin.Err() != nil {
		return
	}
	begun := map[*atomicNode][]*atomicMove{}
	var drivers []*atomicNode
	ready := m.ready()
	m.awaitCopies(ctx, ready)
	m.measure(ctx, ready)
	for _, mv := range ready {
		if mv.err != nil || begin.Err() != nil {
			continue
		}
		mv.under = mv.part()
		mv.left = mv.left.Minus(mv.under)
		if driver := mv.driver(); !slices.Contains(drivers, driver) {
			drivers = append(drivers, driver)
		}
		begun[mv.driver()] = append(begun[mv.driver()], mv)
	}
	m.each(ctx, drivers, "migrate slots", func(ctx context.Context, node *atomicNode) error {
		return m.begin(ctx, node, begun[node])
	})
}

// ready are the moves of which a part can be begun.
func (m *atomicMover) ready() []*atomicMove {
	var ready []*atomicMove
	atWork := m.atWork()
	for _, mv := range m.moves {
		if mv.err != nil || mv.left.IsEmpty() || !mv.under.IsEmpty() || !mv.isFree() {
			continue
		}
		if m.options.Parallelism > 0 && atWork >= m.options.Parallelism {
			break
		}
		atWork++
		mv.from.took, mv.to.took = true, true
		ready = append(ready, mv)
	}
	return ready
}

// awaitCopies has the moves wait until the replicas of their targets have what the targets got before: the handover
// of slots does not wait for them.
func (m *atomicMover) awaitCopies(ctx context.Context, moves []*atomicMove) {
	var group errgroup.Group
	var targets []*atomicNode
	for _, mv := range moves {
		if len(mv.to.Copies) > 0 && !slices.Contains(targets, mv.to) {
			targets = append(targets, mv.to)
		}
	}
	lagging := make([]error, len(targets))
	for i, target := range targets {
		group.Go(safely(func() error {
			lagging[i] = m.clients.awaitCopies(ctx, target.MoveEnd)
			return nil
		}))
	}
	err := group.Wait()
	for _, mv := range moves {
		if i := slices.Index(targets, mv.to); i >= 0 && (lagging[i] != nil || err != nil) {
			mv.fail(errors.Join(lagging[i], err))
		}
	}
}

// awaitCopies waits until every replica has all that the node has given to them until now.
func (c *Clients) awaitCopies(ctx context.Context, of MoveEnd) error {
	var has int64
	ask := func(ep Endpoint) error {
		return c.call(ctx, ep, "info replication", func(ctx context.Context) error {
			replies, err := c.do(ctx, ep, command{"INFO", "replication"})
			if err == nil {
				has = parseInfo(replies[0].text).offset()
			}
			return err
		})
	}
	if err := ask(of.Endpoint); err != nil {
		return err
	}
	wanted := has
	limit, cancel := context.WithTimeout(ctx, longestLag)
	defer cancel()
	for _, ep := range of.Copies {
		for wait := firstLag; ; wait = min(2*wait, longestPoll) {
			if err := ask(ep); err != nil {
				return err
			}
			if has >= wanted {
				break
			}
			if !pause(limit, wait) {
				return failed("info replication", ep, errorf(ErrLagging, "%d bytes are missing", wanted-has))
			}
		}
	}
	return nil
}

// measure refuses what does not fit. A target of Valkey does so itself. One of Redis takes everything as long as the
// migration lasts, and then refuses the writes of all its clients.
func (m *atomicMover) measure(ctx context.Context, moves []*atomicMove) {
	for _, mv := range moves {
		if mv.err == nil && mv.to.kind == byImport && mv.to.memory.number("maxmemory") > 0 && !mv.to.memory.evicts() {
			if err := m.fits(ctx, mv); err != nil {
				mv.fail(failed("migrate slots", mv.to.Endpoint, err))
			}
		}
	}
}

// fits says how much is missing for the next part of the move.
func (m *atomicMover) fits(ctx context.Context, mv *atomicMove) error {
	replies, err := m.clients.do(ctx, mv.to.Endpoint, command{"INFO", "memory"})
	if err != nil {
		return err
	}
	memory := parseInfo(replies[0].text)
	free := memory.number("maxmemory") - memory.number("used_memory") + memory.number("mem_not_counted_for_evict")
	part := mv.part()
	if 2*mv.from.load.sum(part) < free {
		return nil // whichever slots are the big ones
	}
	loads, err := m.clients.SlotLoads(ctx, mv.from.Endpoint, part)
	if err != nil {
		return err
	}
	needed := int64(0)
	for _, load := range loads {
		needed += load.Bytes
	}
	if needed > free {
		return fmt.Errorf("%w: %w: %d slots of %s need about %d MB, and %d MB of its maxmemory are free",
			ErrTargetRefuses, ErrTargetFull, part.Len(), mv.from.ID.Short(), needed>>20, max(0, free)>>20)
	}
	return nil
}

// atWork is the number of pairs with a migration under way.
func (m *atomicMover) atWork() int {
	count := 0
	for _, mv := range m.moves {
		if !mv.under.IsEmpty() {
			count++
		}
	}
	return count
}

// isFree says whether the servers take a task now: those of Redis have one at a time.
func (mv *atomicMove) isFree() bool {
	if mv.from.kind == byExport {
		return true
	}
	for _, node := range []*atomicNode{mv.from, mv.to} {
		occupied := slices.ContainsFunc(node.tasks, func(t serverTask) bool { return t.alive && !t.failed })
		if node.took || occupied {
			return false
		}
	}
	return true
}

// begin has one server begin migrations.
func (m *atomicMover) begin(ctx context.Context, node *atomicNode, moves []*atomicMove) error {
	cmds := make([]command, len(moves))
	for i, mv := range moves {
		_, cmds[i] = mv.migrateCommand(mv.under)
	}
	replies, err := m.clients.exchange(ctx, node.Endpoint, cmds...)
	if err != nil {
		return err // it may have begun: the next look will show it
	}
	for i, mv := range moves {
		if err := replies[i].err; err != nil {
			m.refused(mv, err)
		}
	}
	return nil
}

// refused is told that a migration was not begun.
func (m *atomicMover) refused(mv *atomicMove, err error) {
	words := strings.ToLower(err.Error())
	if isPassing(words) || strings.Contains(words, "already migrating") || strings.Contains(words, "overlapping import") {
		return // somebody else was faster: the next poll shows what came of it
	}
	task := cluster.SlotTask{Source: mv.from.ID, Target: mv.to.ID, Slots: mv.under}
	mv.under = cluster.SlotSet{}
	mv.fail(newTaskError(task, mv.driver().Endpoint, err.Error()))
}

// poll asks what has become of the migrations that are under way or waited for, and says whether anything has changed.
func (m *atomicMover) poll(ctx context.Context) bool {
	m.each(ctx, m.watched(), "slot migrations", func(ctx context.Context, node *atomicNode) error {
		replies, err := m.clients.do(ctx, node.Endpoint, node.kind.status())
		if err != nil {
			return err
		}
		node.tasks, node.took = node.kind.parseTasks(replies[0]), false
		return nil
	})
	var ended []*atomicMove
	before := map[*atomicMove]cluster.SlotSet{}
	for _, mv := range m.moves {
		if mv.finished() {
			continue
		}
		before[mv] = mv.under
		mv.join()
		if !before[mv].Minus(mv.under).IsEmpty() {
			ended = append(ended, mv)
		}
	}
	m.settle(ctx, ended, before)
	return len(ended) > 0
}

// watched are the servers that say how it goes on. Those of Redis also say when they are free again.
func (m *atomicMover) watched() []*atomicNode {
	var watched []*atomicNode
	for _, mv := range m.moves {
		if mv.finished() {
			continue
		}
		nodes := []*atomicNode{mv.from, mv.to}
		if mv.from.kind == byExport {
			nodes = nodes[:1]
		}
		for _, node := range nodes {
			if !slices.Contains(watched, node) {
				watched = append(watched, node)
			}
		}
	}
	return watched
}

// settle finds out what came of migrations that ended: the target's own table says it.
func (m *atomicMover) settle(ctx context.Context, ended []*atomicMove, before map[*atomicMove]cluster.SlotSet) {
	var targets []*atomicNode
	for _, mv := range ended {
		if !slices.Contains(targets, mv.to) {
			targets = append(targets, mv.to)
		}
	}
	m.each(ctx, targets, "slot migrations", func(ctx context.Context, node *atomicNode) error {
		replies, err := m.clients.do(ctx, node.Endpoint, command{"CLUSTER", "NODES"}, node.kind.status())
		if err != nil {
			return err
		}
		if node.kind == byExport {
			node.told = node.kind.parseTasks(replies[1])
		}
		return node.readSelf(replies[0].text)
	})
	for _, mv := range ended {
		if mv.to.err != nil {
			continue
		}
		gone := before[mv].Minus(mv.under)
		mv.arrived(gone)
		if rest := gone.Minus(mv.moved.Slots); !rest.IsEmpty() {
			m.unsuccessful(ctx, mv, rest)
		}
	}
}

// unsuccessful finds out why slots did not get to their target, and what is to be done with them.
func (m *atomicMover) unsuccessful(ctx context.Context, mv *atomicMove, rest cluster.SlotSet) {
	task, found := mv.failure(rest)
	switch {
	case found && isPassing(task.words):
		mv.left = mv.left.Union(rest)
		return
	case !found && mv.tries < mostTries:
		// The server was started again, or does not remember so much.
		mv.tries++
		mv.left = mv.left.Union(rest)
		return
	}
	if task.Slots.IsEmpty() {
		task.Slots = rest
	}
	driver := mv.driver()
	mv.fail(newTaskError(task.SlotTask, driver.Endpoint, task.words))
	if task.alive {
		m.each(ctx, []*atomicNode{driver}, "cluster migration cancel", func(ctx context.Context, node *atomicNode) error {
			_, err := m.clients.do(ctx, node.Endpoint, node.kind.cancel(task.ID))
			return err
		})
	}
}

// failure is the task that did not bring the slots, with the words of the server that knows best.
func (mv *atomicMove) failure(rest cluster.SlotSet) (serverTask, bool) {
	driver := mv.driver()
	for _, task := range driver.tasks {
		if !task.drives || !task.failed || driver.old[task.ID] || task.Source != mv.from.ID || task.Target != mv.to.ID ||
			task.Slots.Intersect(rest).IsEmpty() {
			continue
		}
		driver.old[task.ID] = !task.alive
		for _, told := range mv.to.told {
			// The source of a task of Valkey often knows no more than that the connection broke.
			if told.ID == task.ID && told.failed && !strings.HasPrefix(told.words, "Connection lost") {
				task.words = told.words
			}
		}
		return task, true
	}
	return serverTask{SlotTask: cluster.SlotTask{Source: mv.from.ID, Target: mv.to.ID}}, false
}

const (
	// mostKeys bounds the keys of one task of Valkey. The source deletes them all at once when they have gone, at 1 us
	// each, and answers nobody meanwhile.
	mostKeys = 150_000
	// mostBytes bounds the data of one task: what was moved is lost when the task is, and until the target has the
	// snapshot the source keeps everything that is written.
	mostBytes = 2 << 30
	// mostTasks: each task has the source fork, which takes the longer the more data it has. So the tasks of a big node
	// are big.
	mostTasks = 16
)

// part is what one task is to carry.
func (mv *atomicMove) part() cluster.SlotSet {
	load := mv.from.load
	keys, bytes := int64(math.MaxInt64), max(mostBytes, load.server.dataBytes()/mostTasks)
	if mv.from.kind == byExport {
		keys = mostKeys
	}
	var part cluster.SlotSet
	for slot := range mv.left.All() {
		keys -= load.keys[slot]
		bytes -= load.bytes(slot)
		if !part.IsEmpty() && (keys < 0 || bytes < 0) {
			break
		}
		part = part.Add(slot)
	}
	return part
}
