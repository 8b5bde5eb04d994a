package redis_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// keysIn are names of keys, so many in each of the slots.
func keysIn(slots cluster.SlotSet, each int) []string {
	found := map[cluster.Slot]int{}
	var keys []string
	for i := 0; len(keys) < each*slots.Len(); i++ {
		key := "k" + strconv.Itoa(i)
		if slot := redistest.KeySlot(key); slots.Has(slot) && found[slot] < each {
			found[slot]++
			keys = append(keys, key)
		}
	}
	return keys
}

// set gives keys a value.
func set(tb testing.TB, c *redistest.Cluster, keys []string, value string) {
	tb.Helper()
	commands := make([]redistest.Command, len(keys))
	for i, key := range keys {
		commands[i] = redistest.Command{"SET", key, value}
	}
	c.Fill(tb, commands)
}

// has fails the test when the server does not have all of the keys with the value.
func has(tb testing.TB, s *redistest.Server, keys []string, value string) {
	tb.Helper()
	for _, key := range keys {
		if got, err := s.Do(tb.Context(), "GET", key); err != nil || got != value {
			tb.Errorf("%s has %s=%.20q, %v", s.Addr(), key, got, err)
		}
	}
}

// TestMoveSlots_TargetFull moves to a node that takes some keys and then no more. What it has begun to take comes
// back, and it goes on when there is room.
func TestMoveSlots_TargetFull(t *testing.T) {
	t.Parallel()
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			c := redistest.FormSteady(t, 3, 0, redistest.Options{Engine: engine})
			slots := c.Owned(t, 0).Take(200)
			keys, value := keysIn(slots, 4), strings.Repeat("x", 20000)
			set(t, c, keys, value)
			// Room for more than one window.
			target := c.Servers[1]
			limit := usedMemory(t, target) + int64(len(keys)*len(value)/2)
			target.MustDo(t, "CONFIG", "SET", "maxmemory", strconv.FormatInt(limit, 10))
			moves := []redis.SlotMove{{From: c.End(t, 0), To: c.End(t, 1), Slots: slots}}
			moved, err := c.Clients.MoveSlots(t.Context(), moves, classic)
			if !errors.Is(err, redis.ErrTargetFull) || !errors.Is(err, redis.ErrTargetRefuses) {
				t.Fatalf("moved %s, %v", moved[0].Slots, err)
			}
			t.Log(err)
			if !strings.Contains(err.Error(), target.Addr()) || !strings.Contains(err.Error(), "OOM") {
				t.Errorf("it says %q", err)
			}
			if moved[0].Slots.IsEmpty() || moved[0].Slots == slots {
				t.Errorf("moved %s", moved[0].Slots)
			}
			c.Whole(t)
			if owned := c.Owned(t, 1).Intersect(slots); owned != moved[0].Slots {
				t.Errorf("the target owns %s, said to have moved were %s", owned, moved[0].Slots)
			}
			target.MustDo(t, "CONFIG", "SET", "maxmemory", "0")
			moveAll(t, c, moves, classic)
			c.Whole(t)
			has(t, target, keys, value)
		})
	}
}

func usedMemory(tb testing.TB, s *redistest.Server) int64 {
	tb.Helper()
	for line := range strings.Lines(s.MustDo(tb, "INFO", "memory")) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), "used_memory:"); found {
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				tb.Fatal(err)
			}
			return n
		}
	}
	tb.Fatal("no used_memory")
	return 0
}

// TestMoveSlots_TargetRefuses moves to nodes that take nothing. The slots stay whole where they are, the error names
// the node and its words, and no password.
func TestMoveSlots_TargetRefuses(t *testing.T) {
	const password = "secret-7f3a"
	c := redistest.FormSteady(t, 3, 0, redistest.Options{
		Password: password,
		Users:    []string{"mover on >mover-secret ~* +@all", "reader on >reader-secret ~* +@read"},
	})
	slots := c.Owned(t, 0).Take(100)
	keys := keysIn(slots, 2)
	set(t, c, keys, "v")
	moves := []redis.SlotMove{{From: c.End(t, 0), To: c.End(t, 1), Slots: slots}}
	target := c.Servers[1]
	// In this order: a server keeps the connection of a MIGRATE, and who it was, for some seconds.
	cases := []struct {
		name         string
		restore      redis.Credentials
		before, undo []string
		kind         error
	}{
		{"no_credentials", redis.Credentials{}, nil, nil, redis.ErrAuth},
		{"min-replicas", redis.Credentials{Password: password}, []string{"min-replicas-to-write", "1"}, []string{"min-replicas-to-write", "0"}, nil},
		{"no_permission", redis.Credentials{Username: "reader", Password: "reader-secret"}, nil, nil, redis.ErrNoPermission},
		{"wrong_password", redis.Credentials{Username: "mover", Password: password + "x"}, nil, nil, redis.ErrAuth},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if tc.before != nil {
				target.MustDo(t, "CONFIG", append([]string{"SET"}, tc.before...)...)
				defer target.MustDo(t, "CONFIG", append([]string{"SET"}, tc.undo...)...)
			}
			o := classic
			o.Restore = tc.restore
			moved, err := c.Clients.MoveSlots(t.Context(), moves, o)
			if !errors.Is(err, redis.ErrTargetRefuses) || errors.Is(err, redis.ErrTargetFull) ||
				tc.kind != nil && !errors.Is(err, tc.kind) {
				t.Fatalf("moved %s, %v", moved[0].Slots, err)
			}
			if !strings.Contains(err.Error(), target.Addr()) {
				t.Errorf("it does not name %s: %v", target.Addr(), err)
			}
			for _, secret := range []string{password, "reader-secret", "mover-secret"} {
				if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
					t.Errorf("it has a password: %v", err)
				}
			}
			c.Whole(t)
			has(t, c.Servers[0], keys, "v")
		})
	}
	o := classic
	o.Restore = redis.Credentials{Username: "mover", Password: "mover-secret"}
	moveAll(t, c, moves, o)
	c.Whole(t)
	has(t, target, keys, "v")
}

// TestMoveSlots_TargetStopped stops the target in the middle. The source is not held up for as long as a node
// timeout, the error names the target, and it goes on when the target does.
func TestMoveSlots_TargetStopped(t *testing.T) {
	t.Parallel()
	c := redistest.FormSteady(t, 3, 0, redistest.Options{})
	slots := c.Owned(t, 0).Take(2000)
	keys := keysIn(slots, 5)
	set(t, c, keys, "v")
	moves := []redis.SlotMove{{From: c.End(t, 0), To: c.End(t, 1), Slots: slots}}
	source, target := c.Servers[0], c.Servers[1]
	o := classic
	o.Profile = redis.ProfileLatency // so that it is in the middle for a while
	ended := make(chan error, 1)
	go func() {
		_, err := c.Clients.MoveSlots(t.Context(), moves, o)
		ended <- err
	}()
	redistest.Eventually(t, 20*time.Second, func() error {
		if len(nodeOf(t, c, 0).Open) == 0 || c.Owned(t, 1).Intersect(slots).IsEmpty() {
			return errors.New("it has not begun")
		}
		return nil
	})
	target.Pause(t)
	heldUp := longestSilence(t, source, ended)
	err := <-ended
	target.Resume(t)
	if !errors.Is(err, redis.ErrNotReachable) || !strings.Contains(err.Error(), target.Addr()) {
		t.Errorf("it says %v", err)
	}
	if heldUp > 10*time.Second { // a node timeout is 15 s
		t.Errorf("the source was held up for %v", heldUp)
	}
	t.Log("the source was held up for", heldUp)
	moveAll(t, c, moves, classic)
	c.Whole(t)
	has(t, target, keys[:100], "v")
}

// longestSilence asks the server until something has ended, and gives the longest time that an answer took.
func longestSilence(tb testing.TB, s *redistest.Server, ended chan error) time.Duration {
	tb.Helper()
	var longest time.Duration
	for {
		sent := time.Now()
		s.MustDo(tb, "PING")
		longest = max(longest, time.Since(sent))
		select {
		case err := <-ended:
			ended <- err
			return longest
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// nodeOf is what a server says of itself.
func nodeOf(tb testing.TB, c *redistest.Cluster, i int) cluster.Node {
	tb.Helper()
	info, err := c.Clients.Observe(tb.Context(), c.Servers[i].Endpoint())
	if err != nil {
		tb.Fatal(err)
	}
	return info.Self()
}

// TestMoveSlots_BigKey leaves a slot with a key above the limit where it is, and moves everything else.
func TestMoveSlots_BigKey(t *testing.T) {
	t.Parallel()
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			c := redistest.FormSteady(t, 3, 0, redistest.Options{Engine: engine})
			slots := c.Owned(t, 0).Take(100)
			keys := keysIn(slots, 3)
			set(t, c, keys, "v")
			big := keys[len(keys)/2]
			slot := redistest.KeySlot(big)
			set(t, c, []string{big}, strings.Repeat("x", 2<<20))
			moves := []redis.SlotMove{{From: c.End(t, 0), To: c.End(t, 1), Slots: slots}}
			for _, profile := range profiles {
				o := classic
				o.Profile, o.MaxKeyBytes = profile, 1<<20
				moved, err := c.Clients.MoveSlots(t.Context(), moves, o)
				if err != nil {
					t.Fatal(err)
				}
				if moved[0].Slots != slots.Remove(slot) {
					t.Errorf("moved %s", moved[0].Slots)
				}
				if len(moved[0].Blocked) != 1 || moved[0].Blocked[0].Slot != slot || moved[0].Blocked[0].Key != big ||
					moved[0].Blocked[0].Bytes < 2<<20 {
					t.Errorf("blocked %+v", moved[0].Blocked)
				}
				c.Whole(t)
			}
			// The same when the slot is open already, and has given some of its keys.
			open(t, c, 0, 1, slot)
			for _, key := range keys {
				if redistest.KeySlot(key) == slot && key != big {
					migrate(t, c, 0, 1, key)
				}
			}
			o := classic
			o.MaxKeyBytes = 1 << 20
			moved, err := c.Clients.MoveSlots(t.Context(), moves, o)
			if err != nil || len(moved[0].Blocked) != 1 {
				t.Fatalf("%+v, %v", moved, err)
			}
			c.Whole(t)
			if got := c.Servers[0].MustDo(t, "CLUSTER", "COUNTKEYSINSLOT", strconv.Itoa(int(slot))); got != "3" {
				t.Errorf("the source has %s keys of the slot", got)
			}
			moveAll(t, c, moves, classic) // no limit
			c.Whole(t)
		})
	}
}

// open opens slots at both ends.
func open(tb testing.TB, c *redistest.Cluster, from, to int, slots ...cluster.Slot) {
	tb.Helper()
	for _, slot := range slots {
		name := strconv.Itoa(int(slot))
		c.Servers[to].MustDo(tb, "CLUSTER", "SETSLOT", name, "IMPORTING", string(c.IDs[from]))
		c.Servers[from].MustDo(tb, "CLUSTER", "SETSLOT", name, "MIGRATING", string(c.IDs[to]))
	}
}

// migrate moves one key.
func migrate(tb testing.TB, c *redistest.Cluster, from, to int, key string, options ...string) {
	tb.Helper()
	target := c.Servers[to]
	words := append([]string{target.IP, strconv.Itoa(target.Port), key, "0", "1000"}, options...)
	if got := c.Servers[from].MustDo(tb, "MIGRATE", words...); got != "OK" {
		tb.Fatalf("MIGRATE %s: %s", key, got)
	}
}

// migrateAll moves the keys that a slot has at this moment.
func migrateAll(tb testing.TB, c *redistest.Cluster, from, to int, slot cluster.Slot) {
	tb.Helper()
	var keys []string
	c.Servers[from].List(tb, &keys, "CLUSTER", "GETKEYSINSLOT", strconv.Itoa(int(slot)), "1000")
	target := c.Servers[to]
	words := []string{target.IP, strconv.Itoa(target.Port), "", "0", "1000", "KEYS"}
	c.Servers[from].MustDo(tb, "MIGRATE", append(words, keys...)...)
}

// TestMoveSlots_Budget begins nothing that there is no time for, and leaves nothing open.
func TestMoveSlots_Budget(t *testing.T) {
	c := redistest.FormSteady(t, 3, 0, redistest.Options{})
	slots := c.Owned(t, 0).Take(1000)
	set(t, c, keysIn(slots, 1), "v")
	moves := []redis.SlotMove{{From: c.End(t, 0), To: c.End(t, 1), Slots: slots}}
	o := classic
	o.Budget = time.Nanosecond
	moved, err := c.Clients.MoveSlots(t.Context(), moves, o)
	if err != nil || !moved[0].Slots.IsEmpty() {
		t.Errorf("moved %s, %v", moved[0].Slots, err)
	}
	o.Budget = 5 * time.Millisecond
	calls := 0
	for left := slots; !left.IsEmpty(); calls++ {
		moved, err = c.Clients.MoveSlots(t.Context(), moves, o)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			if open := nodeOf(t, c, i).Open; len(open) > 0 {
				t.Fatalf("%d slots are open at server %d", len(open), i)
			}
		}
		left = slots.Minus(moved[0].Slots)
	}
	if calls < 2 {
		t.Errorf("it took %d calls", calls)
	}
	c.Whole(t)
}

// TestMoveSlots_Cancelled gives up in the middle, again and again.
func TestMoveSlots_Cancelled(t *testing.T) {
	t.Parallel()
	c := redistest.FormSteady(t, 3, 0, redistest.Options{})
	slots := c.Owned(t, 0).Take(1000)
	keys := keysIn(slots, 3)
	set(t, c, keys, "v")
	moves := []redis.SlotMove{{From: c.End(t, 0), To: c.End(t, 1), Slots: slots}}
	cancelled := 0
	for wait := time.Millisecond; ; wait += 5 * time.Millisecond {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		moved, err := c.Clients.MoveSlots(ctx, moves, classic)
		cancel()
		if err == nil && moved[0].Slots == slots {
			break
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		cancelled++
	}
	if cancelled == 0 {
		t.Error("it was never cancelled")
	}
	c.Whole(t)
	has(t, c.Servers[1], keys[:100], "v")
}

// TestMoveSlots_Databases does not move slots of a node that has keys in more than one database.
func TestMoveSlots_Databases(t *testing.T) {
	t.Parallel()
	for _, engine := range redistest.Engines(t) {
		if !strings.HasPrefix(engine.Version, "valkey 9") {
			continue // only there can a cluster have them
		}
		c := redistest.FormSteady(t, 3, 0, redistest.Options{Engine: engine, Config: []string{"cluster-databases 4"}})
		slots := c.Owned(t, 0).Take(10)
		key := keysIn(slots, 1)[0]
		set(t, c, []string{key}, "v")
		c.Servers[0].MustDo(t, "COPY", key, key, "DB", "1")
		moves := []redis.SlotMove{{From: c.End(t, 0), To: c.End(t, 1), Slots: slots}}
		for _, engine := range []redis.Engine{redis.EngineClassic, redis.EngineSlotsOnly} {
			o := classic
			o.Engine = engine
			moved, err := c.Clients.MoveSlots(t.Context(), moves, o)
			if !errors.Is(err, redis.ErrManyDatabases) || !moved[0].Slots.IsEmpty() {
				t.Errorf("%s moved %s, %v", engine, moved[0].Slots, err)
			}
			if open := nodeOf(t, c, 0).Open; len(open) > 0 || c.Owned(t, 0).Intersect(slots) != slots {
				t.Errorf("%s left %v open", engine, open)
			}
		}
		has(t, c.Servers[0], []string{key}, "v")
	}
}
