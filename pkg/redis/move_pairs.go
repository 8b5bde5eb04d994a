package redis

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// defaultBudget is short enough that the loop above sees a failover during a long migration.
const defaultBudget = 2 * time.Second

func (o MoveOptions) withDefaults() MoveOptions {
	if o.MaxBatch <= 0 {
		o.MaxBatch = throughputBatch
	}
	if o.Budget <= 0 {
		o.Budget = defaultBudget
	}
	if o.Parallelism <= 0 {
		o.Parallelism = -1
	}
	return o
}

// MoveSlots brings slots to new owners, all pairs of nodes at the same time, until they are there or the budget is
// spent. There is one Moved for each move, also beside an error: what came of it. Asked for again it goes on where
// it stands, whoever began it: the servers' tables say where that is.
//
// A slot is always whole at one of its ends, or open between the two: then every key is at one of them, and clients
// are sent there. An error leaves open what is open, to be asked for again or undone; what a target refuses
// (ErrTargetRefuses) is taken back. When the context ends it stops after the batch in hand.
func (c *Clients) MoveSlots(ctx context.Context, moves []SlotMove, o MoveOptions) ([]Moved, error) {
	m := c.newMover(o.withDefaults())
	atomic, classic := m.choose(ctx, moves)
	all := make([]Moved, len(moves))
	var (
		group     errgroup.Group
		byServers []Moved
	)
	if len(atomic) > 0 {
		group.Go(safely(func() (err error) {
			byServers, err = c.moveAtomic(ctx, movesOf(atomic), m.o)
			return err
		}))
	}
	byKeys, err := m.each(ctx, movesOf(classic), m.move)
	err = errors.Join(group.Wait(), err)
	merge(all, byServers, atomic)
	merge(all, byKeys, classic)
	return all, err
}

// UndoMoves takes back the keys that have gone to To. Moved.Slots are whole at From again, and closed at both ends.
// Slots that To owns by now are left to it.
func (c *Clients) UndoMoves(ctx context.Context, moves []SlotMove, o MoveOptions) ([]Moved, error) {
	m := c.newMover(o.withDefaults())
	return m.each(ctx, moves, m.takeBack)
}

// mover is one call of MoveSlots or UndoMoves.
type mover struct {
	c        *Clients
	o        MoveOptions
	begun    time.Time
	paces    map[cluster.NodeID]*pace      // of the nodes that keys leave
	arrivals map[cluster.NodeID]*turnstile // of the nodes that they come to
	turns    map[cluster.NodeID]*turnstile // of both, for windows that change hands

	functions sync.Mutex // two sources of a new target must not both give it theirs
}

func (c *Clients) newMover(o MoveOptions) *mover {
	return &mover{
		c: c, o: o, begun: timeNow(),
		paces: map[cluster.NodeID]*pace{}, arrivals: map[cluster.NodeID]*turnstile{}, turns: map[cluster.NodeID]*turnstile{},
	}
}

// over says that the budget is spent.
func (m *mover) over() bool { return timeNow().Sub(m.begun) >= m.o.Budget }

// part is a move, or some of its slots.
type part struct {
	move SlotMove
	of   int // which move
}

// choose says which slots the servers move by themselves, and which are moved key by key: where one of the two
// cannot, and where slots are open, because they were begun key by key.
func (m *mover) choose(ctx context.Context, moves []SlotMove) (atomic, classic []part) {
	open := make([]cluster.SlotSet, len(moves))
	whole := make([]bool, len(moves))
	var group errgroup.Group
	for i, move := range moves {
		whole[i] = m.o.Engine == EngineAuto || m.o.Engine == ""
		whole[i] = whole[i] && atomicPair(move.From, move.To)
		if whole[i] {
			group.Go(safely(func() error {
				open[i] = m.openAt(ctx, move.From).Union(m.openAt(ctx, move.To)).Intersect(move.Slots)
				return nil
			}))
		}
	}
	_ = group.Wait() // a node that does not answer is found out by the engine
	for i, move := range moves {
		byKeys := move
		if whole[i] {
			byKeys.Slots = open[i]
			move.Slots = move.Slots.Minus(open[i])
			atomic = append(atomic, part{move, i})
		}
		if !byKeys.Slots.IsEmpty() {
			classic = append(classic, part{byKeys, i})
		}
	}
	return slices.DeleteFunc(atomic, func(p part) bool { return p.move.Slots.IsEmpty() }), classic
}

// openAt are the slots that a node has open.
func (m *mover) openAt(ctx context.Context, end MoveEnd) cluster.SlotSet {
	var open cluster.SlotSet
	info, err := m.c.Observe(ctx, end.Endpoint)
	if err != nil {
		return open
	}
	for _, o := range info.Self().Open {
		open = open.Add(o.Slot)
	}
	return open
}

func movesOf(parts []part) []SlotMove {
	moves := make([]SlotMove, len(parts))
	for i, p := range parts {
		moves[i] = p.move
	}
	return moves
}

// merge adds what came of the parts to what came of the moves.
func merge(all, some []Moved, parts []part) {
	for i, moved := range some {
		to := &all[parts[i].of]
		to.Slots = to.Slots.Union(moved.Slots)
		to.Keys += moved.Keys
		to.Bytes += moved.Bytes
		to.Conflicts += moved.Conflicts
		to.Running = to.Running || moved.Running
		to.Blocked = append(to.Blocked, moved.Blocked...)
	}
}

// each works on all pairs of nodes at the same time that can be, and on the moves of one pair one after the other.
func (m *mover) each(
	ctx context.Context, moves []SlotMove, work func(context.Context, SlotMove) (Moved, error),
) ([]Moved, error) {
	var order []ends
	pairs := map[ends][]int{}
	for i, move := range moves {
		e := ends{move.From.ID, move.To.ID}
		if pairs[e] == nil {
			order = append(order, e)
		}
		pairs[e] = append(pairs[e], i)
		m.admit(e.from, e.to)
	}
	defer m.guard(ctx, moves)()
	moved, errs := make([]Moved, len(moves)), make([]error, len(moves))
	for _, round := range rounds(order) {
		var group errgroup.Group
		group.SetLimit(m.o.Parallelism)
		for _, e := range round {
			group.Go(func() error {
				for _, i := range pairs[e] {
					errs[i] = safely(func() (err error) {
						moved[i], err = work(ctx, moves[i])
						return err
					})()
				}
				return nil
			})
		}
		_ = group.Wait() // the errors are in their place
	}
	return moved, errors.Join(errs...)
}

// ends are a source and its target.
type ends struct{ from, to cluster.NodeID }

// rounds are pairs that can be worked on at the same time: in none of them is a node both source and target, as it may
// be in moves that were cut. Two servers that send each other keys would wait for each other. And what a node takes
// gives it a new epoch, with which it would claim what it is giving away at this moment.
func rounds(order []ends) [][]ends {
	var all [][]ends
	for _, e := range order {
		i := slices.IndexFunc(all, func(round []ends) bool {
			return !slices.ContainsFunc(round, func(o ends) bool { return o.from == e.to || o.to == e.from })
		})
		if i < 0 {
			i, all = len(all), append(all, nil)
		}
		all[i] = append(all[i], e)
	}
	return all
}

// admit makes what keeps two nodes from being asked for too much: when latency counts, each of them has to do with one
// batch at a time, whoever it is from. A source waits while its target works, and so do its clients; two that wait for
// the same target would wait for each other.
func (m *mover) admit(from, to cluster.NodeID) {
	if m.paces[from] == nil {
		m.paces[from] = newPace(m.o)
	}
	if m.o.Profile == ProfileThroughput {
		return
	}
	if m.arrivals[to] == nil {
		m.arrivals[to] = newTurnstile(1)
	}
	for _, id := range []cluster.NodeID{from, to} {
		if m.turns[id] == nil {
			m.turns[id] = newTurnstile(1)
		}
	}
}

// safely makes a panic an error: it must not end the process, in which other clusters are cared for.
func safely(work func() error) func() error {
	return func() (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
			}
		}()
		return work()
	}
}

// newPair looks at both nodes.
func (m *mover) newPair(ctx context.Context, move SlotMove) (*pair, error) {
	p := &pair{
		c: m.c, o: m.o, failedOver: move.FailedOver, over: m.over, open: map[cluster.Slot]bool{},
		pace: m.paces[move.From.ID], arrivals: m.arrivals[move.To.ID],
		from: m.c.newMoveNode(move.From), to: m.c.newMoveNode(move.To),
	}
	if m.o.Profile != ProfileThroughput {
		p.turns = []*turnstile{m.turns[move.From.ID], m.turns[move.To.ID]}
	}
	var group errgroup.Group
	group.Go(safely(func() error { return p.from.look(ctx) }))
	group.Go(safely(func() error { return p.to.look(ctx) }))
	if err := group.Wait(); err != nil {
		p.close()
		return nil, err
	}
	p.prepare()
	return p, nil
}

// move moves the slots of one SlotMove key by key.
func (m *mover) move(ctx context.Context, move SlotMove) (Moved, error) {
	p, err := m.newPair(ctx, move)
	if err != nil {
		return Moved{}, err
	}
	defer p.close()
	if err = p.from.oneDatabase(ctx); err == nil {
		err = p.hear(ctx)
	}
	if err == nil {
		err = p.stand(ctx, move.Slots)
	}
	if err == nil && p.to.info.Self().Slots.IsEmpty() {
		m.functions.Lock()
		err = m.c.copyFunctions(ctx, move.From, move.To)
		m.functions.Unlock()
	}
	if err == nil {
		err = p.run(ctx)
	}
	return p.outcome(), err
}

// outcome is what was done until now.
func (p *pair) outcome() Moved {
	moved := p.moved
	moved.Keys = max(0, p.carrier.keys-p.backKeys)
	moved.Bytes = max(0, p.carrier.bytes-p.backBytes)
	moved.Conflicts += p.carrier.conflicts
	return moved
}

// stand finds out how far the slots have come: what is the target's already, what is open, what is to be begun.
func (p *pair) stand(ctx context.Context, slots cluster.SlotSet) error {
	mine, theirs := p.from.info.Self().Slots, p.to.info.Self().Slots
	sent, got := p.from.open(), p.to.open()
	var tell, fresh []cluster.Slot
	for slot := range slots.All() {
		migrating, isOpen := sent[slot]
		switch {
		case theirs.Has(slot) && (mine.Has(slot) || isOpen):
			tell = append(tell, slot)
		case theirs.Has(slot):
			p.moved.Slots = p.moved.Slots.Add(slot)
		case !mine.Has(slot) || p.elsewhere(migrating):
			return failed("move slots from", p.from.Endpoint, p.why(slot, migrating))
		case isOpen || got[slot].Importing:
			p.open[slot] = true
			p.todo = append(p.todo, slot)
		default:
			fresh = append(fresh, slot)
		}
	}
	p.todo = append(p.todo, fresh...)
	if err := p.introduce(ctx, slots); err != nil {
		return err
	}
	err := p.from.set(ctx, setSlots{tell, "NODE", p.to.ID})
	if err != nil && (!isReply(err) || !p.gone(ctx, tell)) {
		return err
	}
	p.moved.Slots = p.moved.Slots.Add(tell...)
	return nil
}

// elsewhere says whether the source sends clients to a third node for what a mark is about.
func (p *pair) elsewhere(mark cluster.OpenSlot) bool {
	return mark.Peer != "" && !mark.Importing && mark.Peer != p.to.ID && p.from.isStanding(mark.Peer)
}

// why is what is wrong with a slot that cannot be moved.
func (p *pair) why(slot cluster.Slot, mark cluster.OpenSlot) error {
	if p.elsewhere(mark) {
		return errorf(ErrOpenElsewhere, "%d to %s", slot, mark.Peer.Short())
	}
	return errorf(ErrNotOwner, "%d belongs to %s", slot, p.from.ownerOf(slot).Short())
}

// introduce has the target know that the source owns the slots. It may have no owner for those that it imports from a
// node that was replaced: it hears that the old owner has lost them, but about slots that it imports it believes no
// other. Then it takes neither keys nor clients.
func (p *pair) introduce(ctx context.Context, slots cluster.SlotSet) error {
	source, known := p.to.info.Table.Find(p.from.ID)
	if !known {
		return failed("move slots to", p.to.Endpoint, errorf(ErrUnknownNode, "%s", p.from.ID.Short()))
	}
	unknown := slots.Intersect(p.from.info.Self().Slots).Minus(source.Slots).Minus(p.to.info.Self().Slots)
	return p.to.set(ctx, setSlots{slices.Collect(unknown.All()), "NODE", p.from.ID})
}
