package redis_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// TestUndoMoves takes back slots that clients write to all the time. It is done often, because what could go wrong
// has little time to. Clients that were sent to the target get there late: when it has given back what they want to
// change, or is about to drop it.
func TestUndoMoves(t *testing.T) {
	t.Parallel()
	seed := uint64(fromEnv(t, seedEnv, time.Now().Nanosecond()))
	for _, engine := range redistest.Engines(t) {
		for _, replicas := range []int{0, 1} { // a Valkey is another server with them: see holdsBack
			t.Run(engine.Name+"/replicas="+strconv.Itoa(replicas), func(t *testing.T) {
				t.Parallel()
				c := redistest.FormSteady(t, 3, replicas, redistest.Options{Engine: engine})
				slots := c.Owned(t, 0)
				var all []*redistest.Traffic
				for round := range undoRounds {
					// Slots of their own: nothing helps who is so late that the slot is on its way again.
					window := slots.Take(undoSlots)
					slots = slots.Minus(window)
					all = append(all, undoUnderWrites(t, c, window, seed+uint64(round)))
				}
				for _, traffic := range all {
					traffic.Check(t)
				}
				c.Whole(t)
				if t.Failed() {
					t.Logf("%s=%d", seedEnv, seed)
				}
			})
		}
	}
}

const (
	undoRounds = 20
	undoSlots  = 7 // that have clients; no divisor of the workers' keys
)

// undoUnderWrites opens slots, sends their keys away and takes them back, while clients write to them.
func undoUnderWrites(t *testing.T, c *redistest.Cluster, slots cluster.SlotSet, seed uint64) *redistest.Traffic {
	t.Helper()
	keys := keysIn(slots, 3)
	set(t, c, keys, "v")
	traffic := redistest.StartTraffic(t, c.Servers, redistest.TrafficOptions{
		Prefix: strconv.FormatUint(seed, 10), Tags: keysIn(slots, 1), Workers: 6, Keys: 40, Seed: seed,
		Every: time.Millisecond, Late: 5 * time.Millisecond,
	})
	open(t, c, 0, 1, slices.Collect(slots.All())...)
	for slot := range slots.All() {
		migrateAll(t, c, 0, 1, slot)
	}
	redirected := traffic.Redirects()
	redistest.Eventually(t, 20*time.Second, func() error {
		if traffic.Redirects() < redirected+20 {
			return errors.New("clients are not at the target")
		}
		return nil
	})
	moves := []redis.SlotMove{{From: c.End(t, 0), To: c.End(t, 1), Slots: slots}}
	moved, err := c.Clients.UndoMoves(t.Context(), moves, classic)
	if err != nil || moved[0].Slots != slots || moved[0].Keys < int64(len(keys)) {
		t.Fatalf("taken back were %s, %d keys, %v", moved[0].Slots, moved[0].Keys, err)
	}
	has(t, c.Servers[0], keys, "v")
	traffic.Stop()
	return traffic
}

// TestUndoMoves_InOneGo has clients read all the time what is taken back. At the source they find it, or are sent on.
// With TLS what a server has read of a connection is not what has come.
func TestUndoMoves_InOneGo(t *testing.T) {
	t.Parallel()
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			c := redistest.FormSteady(t, 3, 0, redistest.Options{Engine: engine, TLS: redistest.NewCertificates(t)})
			slots := c.Owned(t, 0).Take(10)
			keys, value := keysIn(slots, 30), noise(1, 10000) // of each slot more than a server reads in one go
			set(t, c, keys, value)
			open(t, c, 0, 1, slices.Collect(slots.All())...)
			for slot := range slots.All() {
				migrateAll(t, c, 0, 1, slot)
			}
			var (
				readers sync.WaitGroup
				done    atomic.Bool
			)
			for reader := range 4 {
				readers.Go(func() {
					for i := reader; !done.Load(); i++ {
						key := keys[i*7%len(keys)]
						if got, err := c.Servers[0].Do(t.Context(), "GET", key); err == nil && got != value {
							t.Errorf("%s is %.20q", key, got)
							return
						}
					}
				})
			}
			moves := []redis.SlotMove{{From: c.End(t, 0), To: c.End(t, 1), Slots: slots}}
			moved, err := c.Clients.UndoMoves(t.Context(), moves, classic)
			done.Store(true)
			readers.Wait()
			if err != nil || moved[0].Slots != slots {
				t.Errorf("taken back were %s, %v", moved[0].Slots, err)
			}
			has(t, c.Servers[0], keys, value)
		})
	}
}

// noise is a text that no server can make shorter.
func noise(seed uint64, size int) string {
	random, text := rand.New(rand.NewPCG(seed, 0)), make([]byte, size)
	for i := range text {
		text[i] = byte('!' + random.IntN('~'-'!'))
	}
	return string(text)
}

// TestUndoMoves_NotDropped has a target keep what has been taken back: it takes no writes. Where keys are left is not
// forgotten, so that they are gone once it does.
func TestUndoMoves_NotDropped(t *testing.T) {
	t.Parallel()
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			c := redistest.FormSteady(t, 3, 0, redistest.Options{Engine: engine})
			slots := c.Owned(t, 0).Take(3)
			var keys []string // of each slot more than are dropped at once
			for _, tag := range keysIn(slots, 1) {
				for i := range 800 {
					keys = append(keys, "{"+tag+"}"+strconv.Itoa(i))
				}
			}
			set(t, c, keys, "v")
			open(t, c, 0, 1, slices.Collect(slots.All())...)
			for slot := range slots.All() {
				migrateAll(t, c, 0, 1, slot)
			}
			c.Servers[1].MustDo(t, "CONFIG", "SET", "min-replicas-to-write", "1")
			moves := []redis.SlotMove{{From: c.End(t, 0), To: c.End(t, 1), Slots: slots}}
			moved, err := c.Clients.UndoMoves(t.Context(), moves, classic)
			if err == nil || !strings.Contains(err.Error(), c.Servers[1].Addr()) || !moved[0].Slots.IsEmpty() {
				t.Errorf("taken back were %s, %v", moved[0].Slots, err)
			}
			if left := nodeOf(t, c, 1).Open; len(left) != slots.Len() {
				t.Errorf("open are %v", left)
			}
			c.Servers[1].MustDo(t, "CONFIG", "SET", "min-replicas-to-write", "0")
			moved, err = c.Clients.UndoMoves(t.Context(), moves, classic)
			if err != nil || moved[0].Slots != slots {
				t.Errorf("taken back were %s, %v", moved[0].Slots, err)
			}
			c.Whole(t)
			has(t, c.Servers[0], keys[:900], "v")
		})
	}
}

// TestUndoMoves_Owned leaves slots that the target owns to it.
func TestUndoMoves_Owned(t *testing.T) {
	t.Parallel()
	c := redistest.FormSteady(t, 3, 0, redistest.Options{})
	slots := c.Owned(t, 0).Take(10)
	moves := []redis.SlotMove{{From: c.End(t, 0), To: c.End(t, 1), Slots: slots}}
	moveAll(t, c, moves, classic)
	moved, err := c.Clients.UndoMoves(t.Context(), moves, classic)
	if err != nil || !moved[0].Slots.IsEmpty() || c.Owned(t, 1).Intersect(slots) != slots {
		t.Errorf("%s, %v", moved[0].Slots, err)
	}
	moves[0].Slots = c.Owned(t, 2).Take(1)
	if _, err = c.Clients.UndoMoves(t.Context(), moves, classic); !errors.Is(err, redis.ErrNotOwner) {
		t.Errorf("slots of a third: %v", err)
	}
}

// TestMoveSlots_Conflicts moves keys that are at both ends. Without a failover the source's copies count.
func TestMoveSlots_Conflicts(t *testing.T) {
	t.Parallel()
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			c := redistest.FormSteady(t, 3, 0, redistest.Options{Engine: engine})
			slots := c.Owned(t, 0).Take(20)
			keys := keysIn(slots, 5)
			set(t, c, keys, "old")
			open(t, c, 0, 1, slices.Collect(slots.All())...)
			for _, key := range keys[:50] {
				migrate(t, c, 0, 1, key, "COPY")
			}
			for _, key := range keys {
				c.Servers[0].MustDo(t, "SET", key, "new")
			}
			move := redis.SlotMove{From: c.End(t, 0), To: c.End(t, 1), Slots: slots}
			// Both directions decide alike.
			part := move
			part.Slots = slots.Take(10)
			moved, err := c.Clients.UndoMoves(t.Context(), []redis.SlotMove{part}, classic)
			if err != nil || moved[0].Slots != part.Slots || moved[0].Conflicts == 0 {
				t.Fatalf("%+v, %v", moved[0], err)
			}
			sum := moveAll(t, c, []redis.SlotMove{move}, classic)
			if sum[0].Conflicts+moved[0].Conflicts < 50 {
				t.Errorf("%d and %d keys were at both ends", sum[0].Conflicts, moved[0].Conflicts)
			}
			has(t, c.Servers[1], keys, "new")
			c.Whole(t)
		})
	}
}

// TestMoveSlots_FailedOver moves keys that are at both ends after the source was replaced: what was used last counts.
func TestMoveSlots_FailedOver(t *testing.T) {
	t.Parallel()
	for _, engine := range redistest.Engines(t) {
		for _, undo := range []bool{false, true} {
			t.Run(engine.Name+"/undo="+strconv.FormatBool(undo), func(t *testing.T) {
				t.Parallel()
				c := redistest.FormSteady(t, 3, 0, redistest.Options{Engine: engine})
				slots := c.Owned(t, 0).Take(1)
				slot := slices.Collect(slots.All())[0]
				keys := keysIn(slots, 6)
				source, target := c.Servers[0], c.Servers[1]
				// Copies as they are after a failover: nothing says which of them is newer but their use.
				put := func(s *redistest.Server, key, value string, idle int) {
					s.MustDo(t, "SET", key, value)
					dump := s.MustDo(t, "DUMP", key)
					s.MustDo(t, "RESTORE", key, "0", dump, "REPLACE", "IDLETIME", strconv.Itoa(idle))
				}
				for i, idle := range []int{100, 10, 50, 50} {
					put(source, keys[i], "target's", idle)
				}
				open(t, c, 0, 1, slot)
				for i := range 5 {
					if i < 4 {
						migrate(t, c, 0, 1, keys[i])
					}
				}
				// The target's copies have been used just now. At the source there are others.
				source.MustDo(t, "CLUSTER", "SETSLOT", strconv.Itoa(int(slot)), "STABLE")
				put(source, keys[0], "source's", 100) // older
				put(source, keys[1], "target's", 100) // the same
				put(source, keys[2], "source's", 0)   // as old as can be told
				put(source, keys[4], "source's", 5)   // only here
				move := []redis.SlotMove{{From: c.End(t, 0), To: c.End(t, 1), Slots: slots, FailedOver: true}}
				at, do := target, c.Clients.MoveSlots
				if undo {
					at, do = source, c.Clients.UndoMoves
				}
				redistest.Eventually(t, 20*time.Second, func() error {
					source.MustDo(t, "GET", keys[2]) // used later than the target's
					if idle := source.MustDo(t, "OBJECT", "IDLETIME", keys[0]); idle == "0" {
						return errors.New("too young")
					}
					return nil
				})
				moved, err := do(t.Context(), move, classic)
				if err != nil || moved[0].Slots != slots || moved[0].Conflicts == 0 {
					t.Fatalf("%+v, %v", moved[0], err)
				}
				for i, want := range []string{"target's", "target's", "source's", "target's", "source's"} {
					if got := at.MustDo(t, "GET", keys[i]); got != want {
						t.Errorf("key %d is %s, not %s", i, got, want)
					}
				}
				c.Whole(t)
			})
		}
	}
}

// TestClearSlots clears what may be cleared, and says no where keys are.
func TestClearSlots(t *testing.T) {
	t.Parallel()
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			c := redistest.FormSteady(t, 3, 0, redistest.Options{Engine: engine})
			ctx, owner := t.Context(), c.IDs[0]
			eps := c.Endpoints()
			slots := c.Owned(t, 0).Take(10)
			list := slices.Collect(slots.All())

			open(t, c, 0, 1, list...)
			if err := c.Clients.ClearSlots(ctx, eps[1], slots, owner); err != nil {
				t.Error(err)
			}
			if err := c.Clients.ClearSlots(ctx, eps[0], slots, owner); err != nil {
				t.Error(err)
			}
			c.Whole(t)

			// Keys at the target: no.
			keys := keysIn(slots.Take(1), 2)
			set(t, c, keys, "v")
			open(t, c, 0, 1, list...)
			migrate(t, c, 0, 1, keys[0])
			err := c.Clients.ClearSlots(ctx, eps[1], slots, owner)
			if !errors.Is(err, redis.ErrKeysLeft) || !strings.Contains(err.Error(), c.Servers[1].Addr()) {
				t.Errorf("with a key: %v", err)
			}
			if left := nodeOf(t, c, 1).Open; len(left) != 1 || left[0].Slot != list[0] {
				t.Errorf("open are %v", left)
			}
			moves := []redis.SlotMove{{From: c.End(t, 0), To: c.End(t, 1), Slots: slots}}
			if _, err = c.Clients.UndoMoves(ctx, moves, classic); err != nil {
				t.Error(err)
			}
			c.Whole(t)
			has(t, c.Servers[0], keys, "v")

			// The target has the slot, the source has not heard of it.
			empty := slots.Minus(slots.Take(1))
			open(t, c, 0, 1, slices.Collect(empty.All())...)
			for slot := range empty.All() {
				c.Servers[1].MustDo(t, "CLUSTER", "SETSLOT", strconv.Itoa(int(slot)), "NODE", string(c.IDs[1]))
			}
			if err = c.Clients.ClearSlots(ctx, eps[0], empty, c.IDs[1]); err != nil {
				t.Error(err)
			}
			c.Whole(t)
			if got := c.Owned(t, 1).Intersect(slots); got != empty {
				t.Errorf("it owns %s", got)
			}

			// An owner with keys is not told that it is none.
			if err = c.Clients.ClearSlots(ctx, eps[0], slots.Take(1), c.IDs[1]); !errors.Is(err, redis.ErrKeysLeft) {
				t.Errorf("an owner with keys: %v", err)
			}
			if err = c.Clients.ClearSlots(ctx, eps[0], empty, owner); !errors.Is(err, redis.ErrNotOwner) {
				t.Errorf("what others own: %v", err)
			}
			c.Whole(t)
		})
	}
}

// TestMoveSlots_Refused refuses moves that would make things worse.
func TestMoveSlots_Refused(t *testing.T) {
	c := redistest.FormSteady(t, 3, 1, redistest.Options{})
	slots := c.Owned(t, 0).Take(10)
	ends := make([]redis.MoveEnd, len(c.Servers))
	for i := range ends {
		ends[i] = c.End(t, i)
	}
	lying := ends[1]
	lying.ID = c.IDs[2]
	for name, tc := range map[string]struct {
		move redis.SlotMove
		want error
	}{
		"not_the_owner":       {redis.SlotMove{From: ends[2], To: ends[1], Slots: slots}, redis.ErrNotOwner},
		"to_a_replica":        {redis.SlotMove{From: ends[0], To: ends[4], Slots: slots}, redis.ErrNotPrimary},
		"from_a_replica":      {redis.SlotMove{From: ends[3], To: ends[1], Slots: slots}, redis.ErrNotPrimary},
		"another_node_there":  {redis.SlotMove{From: ends[0], To: lying, Slots: slots}, redis.ErrUnknownNode},
		"open_to_a_third_one": {redis.SlotMove{From: ends[0], To: ends[2], Slots: slots}, redis.ErrOpenElsewhere},
	} {
		t.Run(name, func(t *testing.T) {
			if errors.Is(tc.want, redis.ErrOpenElsewhere) {
				open(t, c, 0, 1, slices.Collect(slots.All())...)
			}
			moved, err := c.Clients.MoveSlots(t.Context(), []redis.SlotMove{tc.move}, classic)
			if !errors.Is(err, tc.want) || !moved[0].Slots.IsEmpty() {
				t.Errorf("moved %s, %v", moved[0].Slots, err)
			}
			if got := c.Owned(t, 0).Intersect(slots); got != slots {
				t.Errorf("it owns %s", got)
			}
			moves := []redis.SlotMove{{From: ends[0], To: ends[1], Slots: slots}}
			if _, err := c.Clients.UndoMoves(t.Context(), moves, classic); err != nil {
				t.Error(err)
			}
			c.Whole(t)
		})
	}
	var none []cluster.Slot
	if moved, err := c.Clients.MoveSlots(t.Context(), nil, classic); err != nil || len(moved) != len(none) {
		t.Errorf("nothing to move: %v, %v", moved, err)
	}
}

// TestMoveSlots_SlotsOnly moves slots without their keys.
func TestMoveSlots_SlotsOnly(t *testing.T) {
	t.Parallel()
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			c := redistest.FormSteady(t, 3, 1, redistest.Options{Engine: engine})
			slots := c.Owned(t, 0).Take(500)
			others := c.Owned(t, 0).Minus(slots).Take(100)
			keys, kept := keysIn(slots, 4), keysIn(others, 2)
			set(t, c, keys, "v")
			set(t, c, kept, "v")
			o := classic
			o.Engine = redis.EngineSlotsOnly
			moves := []redis.SlotMove{{From: c.End(t, 0), To: c.End(t, 1), Slots: slots}}
			moved, err := c.Clients.MoveSlots(t.Context(), moves, o)
			if err != nil || moved[0].Slots != slots || moved[0].Keys != int64(len(keys)) {
				t.Fatalf("moved %s, %d keys, %v", moved[0].Slots, moved[0].Keys, err)
			}
			c.Whole(t)
			has(t, c.Servers[0], kept, "v")
			for i, want := range map[int]string{0: strconv.Itoa(len(kept)), 1: "0", 3: strconv.Itoa(len(kept)), 4: "0"} {
				redistest.Eventually(t, 20*time.Second, func() error {
					if got := c.Servers[i].MustDo(t, "DBSIZE"); got != want {
						return errors.New(got + " keys, not " + want)
					}
					return nil
				})
			}
		})
	}
}

// TestMoveSlots_Lag waits for the replicas of the target, and does not wait for ever.
func TestMoveSlots_Lag(t *testing.T) {
	t.Parallel()
	c := redistest.FormSteady(t, 3, 1, redistest.Options{})
	slots := c.Owned(t, 0).Take(300)
	keys := keysIn(slots, 2)
	set(t, c, keys, "v")
	moves := []redis.SlotMove{{From: c.End(t, 0), To: c.End(t, 1), Slots: slots}}
	if len(moves[0].To.Copies) != 1 {
		t.Fatalf("%d replicas are in sync", len(moves[0].To.Copies))
	}
	replica := c.Servers[4]
	replica.Pause(t)
	moved, err := c.Clients.MoveSlots(t.Context(), moves, classic)
	replica.Resume(t)
	if err == nil || !strings.Contains(err.Error(), replica.Addr()) {
		t.Errorf("it says %v", err)
	}
	if n := moved[0].Slots.Len(); n > 0 {
		t.Errorf("%d slots were moved without a replica", n)
	}
	moveAll(t, c, moves, classic)
	c.Whole(t)
	has(t, c.Servers[1], keys[:100], "v")
}
