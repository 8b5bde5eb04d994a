package controller

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

const (
	// rest is how long a pair of nodes is left alone that could not move anything, and a slot with a key that is too
	// big: neither gets better by being asked at every step.
	rest = 15 * time.Second
	// pause is how long a step rests that moved nothing, without a word why.
	pause = time.Second
)

// ledgers is what is worth remembering of clusters between looks. It is a cache: an operator that begins with nothing
// in it measures, tries and counts again, and comes to the same end.
type ledgers struct {
	mu    sync.Mutex
	known map[cache.ObjectName]*ledger
}

func newLedgers() *ledgers { return &ledgers{known: map[cache.ObjectName]*ledger{}} }

// of is the ledger of a cluster. Only the worker that has the cluster's key in hand uses it. What was tried under
// another spec is tried again.
func (l *ledgers) of(rc *redisv1.RedisCluster) *ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := cache.MetaObjectToName(rc)
	known := l.known[key]
	if known == nil || known.uid != rc.UID {
		known = &ledger{uid: rc.UID, demoted: map[cluster.NodeID]int{}}
		l.known[key] = known
	}
	if known.generation != rc.Generation {
		known.generation = rc.Generation
		known.rests = map[pair]failure{}
		known.blocked = map[cluster.Slot]blockade{}
		known.settings.reset()
		known.growth = map[string]failure{}
		known.unresizable = map[types.UID]bool{}
		known.remember(rc.Status.Migration)
	}
	return known
}

func (l *ledgers) forget(key cache.ObjectName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.known, key)
}

// look begins a new look.
func (l *ledger) look() *ledger {
	l.progress, l.landed = false, cluster.SlotSet{}
	return l
}

// seeRoles remembers since when the same nodes have been the primaries. It is calm once primaries would vote about each
// of them again: they do so once in two node-timeouts (cluster.c, clusterSendFailoverAuthIfNeeded), and who hands over
// stops writes until it has their votes.
func (l *ledger) seeRoles(v cluster.View, nodeTimeout time.Duration, now time.Time) {
	var roles []cluster.NodeID
	for _, c := range v.Owners() {
		roles = append(roles, c.Node)
	}
	slices.Sort(roles)
	if l.rolesSince.IsZero() || !slices.Equal(roles, l.roles) {
		l.roles, l.rolesSince = roles, now
	}
	l.calm = now.Sub(l.rolesSince) > 2*nodeTimeout
}

// ledger is what is remembered of one cluster.
type ledger struct {
	uid        types.UID
	generation int64

	// stopping is since when pods have been seen to be on their way out.
	stopping map[types.UID]time.Time

	// roles are the primaries that own slots, and rolesSince when they were first seen to be these: see seeRoles.
	roles      []cluster.NodeID
	rolesSince time.Time
	calm       bool

	// reign is the generation of this operator's orders; 0: it has given none.
	reign int64

	// written is the RedisCluster as this operator last wrote it, and behind the versions before: a cache that has one
	// of them has not heard of it yet.
	written *redisv1.RedisCluster
	behind  []string

	weights  *cluster.Weights
	measured time.Time

	// unreported is what was moved since a status was last written.
	unmeasured error // why weights are not known

	unreported tally
	started    time.Time // when the first slot began to move; zero: not seen by this operator
	// progress says that the step of this look has moved something, or that servers go on by themselves; landed is the
	// slots that have come to their new owner by it.
	progress bool
	landed   cluster.SlotSet

	// demoted is how often nodes were asked what they have given up as they were replaced: see tellGivenUp.
	demoted map[cluster.NodeID]int

	// waits is the pods whose gates are shut: see longWaits.
	waits map[string]gateWait

	// copying is the replicas that are not in sync: see countSyncs.
	copying map[cluster.NodeID]copying

	rests   map[pair]failure
	blocked map[cluster.Slot]blockade
	growth  map[string]failure // of volume claims, by name
	// unresizable are pods for which the API server takes no other resources while they run.
	unresizable map[types.UID]bool

	settings settings
}

// mostBehind bounds what is remembered of a cache that does not move: then its word counts, and writes are refused.
const mostBehind = 100

// wrote notes what the API server made of a status; nil: nothing.
func (l *ledger) wrote(before, written *redisv1.RedisCluster) {
	if written == nil {
		return
	}
	l.written = written
	l.behind = append(l.behind, before.ResourceVersion)
}

// newest is the RedisCluster of the cache, or as it was last written when the cache is behind that: steps that move
// slots follow each other faster than a watch tells of them.
func (l *ledger) newest(cached *redisv1.RedisCluster) *redisv1.RedisCluster {
	if l.written != nil && len(l.behind) <= mostBehind && slices.Contains(l.behind, cached.ResourceVersion) {
		return l.written
	}
	l.written, l.behind = nil, nil
	return cached
}

// pair is the two nodes of a move.
type pair struct{ from, to cluster.NodeID }

// failure is what was last said instead of doing anything: by a pair of nodes that were to move slots, or by the API
// server to a claim that was to grow.
type failure struct {
	err   error     // nil when it only means to look again
	until time.Time // when it is asked again
}

// blockade is a slot that stays where it is, and when it is tried again.
type blockade struct {
	redisv1.BlockedSlot
	until time.Time
}

// tally is what steps have done.
type tally struct {
	began time.Time // of the first step; zero: there was none
	took  time.Duration
	slots int
	keys  int64
	bytes int64
}

func (t *tally) add(began time.Time, took time.Duration, moved []redis.Moved) {
	if t.began.IsZero() {
		t.began = began
	}
	t.took += took
	for i := range moved {
		t.slots += moved[i].Slots.Len()
		t.keys += moved[i].Keys
		t.bytes += moved[i].Bytes
	}
}

// remember takes over what the operator before this one knew: what it says is to be tried at once.
func (l *ledger) remember(m *redisv1.MigrationStatus) {
	if m == nil {
		return
	}
	for _, b := range m.Blocked {
		l.blocked[cluster.Slot(b.Slot)] = blockade{BlockedSlot: b} //nolint:gosec // written by us: 0 to 16383
	}
}

// due is the moves that are not resting, without the slots that are.
func (l *ledger) due(moves []plan.Move, now time.Time) []plan.Move {
	var due []plan.Move
	for _, m := range moves {
		if now.Before(l.rests[pairOf(m)].until) {
			continue
		}
		for slot, b := range l.blocked {
			if now.Before(b.until) && b.PodName == m.From.Pod {
				m.Slots = m.Slots.Remove(slot)
			}
		}
		if !m.Slots.IsEmpty() {
			due = append(due, m)
		}
	}
	return due
}

func pairOf(m plan.Move) pair { return pair{m.From.Node, m.To.Node} }

// enter notes what came of each of the moves, and says whether anything did: a pair that came to nothing beside an
// error rests.
func (l *ledger) enter(moves []plan.Move, moved []redis.Moved, err error, now time.Time) bool {
	progress := false
	for i, came := range moved {
		m := moves[i]
		delete(l.rests, pairOf(m))
		for slot := range came.Slots.All() {
			delete(l.blocked, slot)
		}
		for _, b := range came.Blocked {
			l.blocked[b.Slot] = blockade{until: now.Add(rest), BlockedSlot: redisv1.BlockedSlot{
				Slot: int32(b.Slot), Key: keyName(b.Key), Bytes: b.Bytes, PodName: m.From.Pod,
			}}
		}
		switch {
		case came.Running || came.Keys > 0 || !came.Slots.IsEmpty():
			progress = true
		case outdated(err):
			l.rests[pairOf(m)] = failure{until: now.Add(pause)}
		case err != nil:
			l.rests[pairOf(m)] = failure{err: err, until: now.Add(rest)}
		}
	}
	return progress
}

// settle drops what is remembered of slots that are not to move any more.
func (l *ledger) settle(left []cluster.Transfer) {
	maps.DeleteFunc(l.rests, func(p pair, _ failure) bool {
		return !slices.ContainsFunc(left, func(t cluster.Transfer) bool { return p == pair{t.From, t.To} })
	})
	maps.DeleteFunc(l.blocked, func(slot cluster.Slot, _ blockade) bool {
		return !slices.ContainsFunc(left, func(t cluster.Transfer) bool { return t.Slots.Has(slot) })
	})
}

// wake is how long nothing needs to be tried after a step that came to nothing.
func (l *ledger) wake(err error, now time.Time) time.Duration {
	wait := rest
	for _, f := range l.rests {
		wait = min(wait, f.until.Sub(now))
	}
	for _, b := range l.blocked {
		wait = min(wait, b.until.Sub(now))
	}
	if len(l.rests) == 0 && len(l.blocked) == 0 && err == nil {
		return pause
	}
	return max(wait, pause)
}

// trouble is what pairs that rest have said.
func (l *ledger) trouble() error {
	said := map[string]error{}
	for _, f := range l.rests {
		if f.err != nil {
			said[f.err.Error()] = f.err
		}
	}
	errs := make([]error, 0, len(said))
	for _, text := range slices.Sorted(maps.Keys(said)) {
		errs = append(errs, said[text])
	}
	return errors.Join(errs...)
}

// blockedSlots are the slots that stay where they are, sorted.
func (l *ledger) blockedSlots() []redisv1.BlockedSlot {
	var slots []redisv1.BlockedSlot
	for _, b := range l.blocked {
		slots = append(slots, b.BlockedSlot)
	}
	slices.SortFunc(slots, func(a, b redisv1.BlockedSlot) int { return cmp.Compare(a.Slot, b.Slot) })
	return slots
}

// keyName is a key as Redis prints it, cut to what a person reads.
func keyName(key string) string {
	if len(key) > redisv1.MaxKeyName {
		return fmt.Sprintf("%q…", key[:redisv1.MaxKeyName])
	}
	return fmt.Sprintf("%q", key)
}
