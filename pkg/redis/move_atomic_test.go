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

// asInPods is what the operator sets, too: a primary that gives its last slot stays a primary.
var asInPods = []string{"cluster-allow-replica-migration no"}

func atomicOptions(budget time.Duration) redis.MoveOptions {
	return redis.MoveOptions{Engine: redis.EngineAuto, Profile: redis.ProfileLatency, Budget: budget}
}

const longBudget = 30 * time.Second

// spread is moves of all slots of one node to the others, in equal parts; and gather is all of them back.
func spread(tb testing.TB, c *redistest.Cluster, from int, to ...int) (spread, gather []redis.SlotMove) {
	tb.Helper()
	rest := slotsOf(tb, c, from)
	for i, target := range to {
		part := rest.Take(rest.Len() / (len(to) - i))
		rest = rest.Minus(part)
		spread = append(spread, redis.SlotMove{From: end(c, from), To: end(c, target), Slots: part})
		gather = append(gather, redis.SlotMove{From: end(c, target), To: end(c, from), Slots: part})
	}
	return spread, gather
}

// mustMove fails the test when slots do not get where they are to.
func mustMove(tb testing.TB, c *redistest.Cluster, moves []redis.SlotMove) []redis.Moved {
	tb.Helper()
	moved, err := c.Clients.MoveSlots(tb.Context(), moves, atomicOptions(longBudget))
	if err != nil {
		tb.Fatalf("%v\n%s", err, c.Nodes(tb.Context()))
	}
	for i, m := range moved {
		if m.Slots != moves[i].Slots || m.Running {
			tb.Fatalf("move %d: %v of %v, running %v\n%s", i, m.Slots, moves[i].Slots, m.Running, c.Nodes(tb.Context()))
		}
	}
	return moved
}

// settled fails the test when the nodes do not agree soon on who owns what, or when something is left behind.
func settled(tb testing.TB, c *redistest.Cluster, owners map[cluster.NodeID]cluster.SlotSet) {
	tb.Helper()
	redistest.Eventually(tb, 20*time.Second, func() error {
		for i, o := range c.Clients.ObserveAll(tb.Context(), c.Endpoints()) {
			if o.Err != nil {
				return o.Err
			}
			if !o.Info.StateOK || len(o.Info.Tasks) > 0 || len(o.Info.Self().Open) > 0 {
				return fmt.Errorf("node %d: ok %v, tasks %v, open %v", i, o.Info.StateOK, o.Info.Tasks, o.Info.Self().Open)
			}
			for _, node := range o.Info.Table {
				if want, known := owners[node.ID]; known && node.Slots != want {
					return fmt.Errorf("node %d says that %s owns %v, not %v", i, node.ID.Short(), node.Slots, want)
				}
			}
		}
		return nil
	})
}

// TestMoveAtomic scales in and out while clients write.
func TestMoveAtomic(t *testing.T) {
	t.Parallel()
	for _, engine := range atomicEngines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			c := redistest.Form(t, 4, 1, redistest.Options{Engine: engine, Config: asInPods})
			in, out := spread(t, c, 3, 0, 1, 2)
			for i := range in {
				in[i].To.Copies = []redis.Endpoint{c.Servers[4+i].Endpoint()}
				out[i].To.Copies = []redis.Endpoint{c.Servers[7].Endpoint()}
			}
			for _, s := range c.Servers {
				s.MustDo(t, "CONFIG", "RESETSTAT")
			}
			fill(t, c.Servers[3], stringsIn(in[0].Slots.Take(100), 10, 100))
			c.Servers[0].MustDo(t, "FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)")
			traffic := redistest.StartTraffic(t, c.Servers, redistest.TrafficOptions{Seed: 1})
			moved := mustMove(t, c, in)
			if moved[0].Keys < 1000 || moved[0].Bytes < 100_000 || moved[0].Bytes > 10_000_000 {
				t.Errorf("moved %d keys, %d bytes", moved[0].Keys, moved[0].Bytes)
			}
			for i, m := range mustMove(t, c, in) { // again: it is done
				if m.Keys != 0 || m.Slots != in[i].Slots {
					t.Errorf("moved %d keys again", m.Keys)
				}
			}
			mustMove(t, c, out)
			traffic.Check(t)
			t.Logf("%d writes, %d redirects, %d failed", traffic.Wrote(), traffic.Redirects(), traffic.Failed())
			if traffic.Wrote() < 200 || traffic.Redirects() == 0 || traffic.Failed() > 0 {
				t.Errorf("%d writes, %d redirects, %d failed", traffic.Wrote(), traffic.Redirects(), traffic.Failed())
			}
			owners := map[cluster.NodeID]cluster.SlotSet{}
			for i := range 4 {
				owners[c.IDs[i]] = slotsOf(t, c, i)
			}
			settled(t, c, owners)
			if got := c.Servers[3].MustDo(t, "FUNCTION", "DUMP"); got != c.Servers[0].MustDo(t, "FUNCTION", "DUMP") {
				t.Errorf("the functions did not come along")
			}
			noServerErrors(t, c)
		})
	}
}

// noServerErrors fails the test when a server has counted an error of ours: what one does not know is not to be asked.
func noServerErrors(tb testing.TB, c *redistest.Cluster) {
	tb.Helper()
	for _, s := range c.Servers {
		for line := range strings.Lines(s.MustDo(tb, "INFO", "errorstats")) {
			name, _, _ := strings.Cut(line, ":")
			if strings.HasPrefix(name, "errorstat_") && name != "errorstat_MOVED" && name != "errorstat_ASK" {
				tb.Errorf("%s: %s", s.Addr(), line)
			}
		}
	}
}

// slowly has the server wait before each key of a snapshot.
func slowly(tb testing.TB, s *redistest.Server, wait time.Duration) {
	tb.Helper()
	s.MustDo(tb, "CONFIG", "SET", "rdb-key-save-delay", strconv.FormatInt(wait.Microseconds(), 10))
}

// tasksOf is what the node says that it migrates.
func tasksOf(tb testing.TB, c *redistest.Cluster, i int) []cluster.SlotTask {
	tb.Helper()
	info, err := c.Clients.Observe(tb.Context(), c.Servers[i].Endpoint())
	if err != nil {
		tb.Fatal(err)
	}
	return info.Tasks
}

// TestMoveAtomic_Budget begins what takes longer than the budget, and comes back for it.
func TestMoveAtomic_Budget(t *testing.T) {
	for _, engine := range atomicEngines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			c := redistest.Form(t, 3, 0, redistest.Options{Engine: engine, Config: asInPods})
			all, _ := spread(t, c, 0, 1)
			move := all[0]
			move.Slots = move.Slots.Take(200)
			fill(t, c.Servers[0], stringsIn(move.Slots, 5, 20))
			slowly(t, c.Servers[0], 4*time.Millisecond) // four seconds in all

			part := move
			part.Slots = move.Slots.Take(120)
			const budget = 150 * time.Millisecond
			start := time.Now()
			moved, err := c.Clients.MoveSlots(t.Context(), []redis.SlotMove{part}, atomicOptions(budget))
			if took := time.Since(start); err != nil || !moved[0].Running || !moved[0].Slots.IsEmpty() || took > budget+2*time.Second {
				t.Fatalf("%+v, %v after %v", moved, err, took)
			}
			for i, want := range []int{1, 1, 0} {
				tasks := tasksOf(t, c, i)
				if len(tasks) != want || want == 1 && (tasks[0].Source != c.IDs[0] || tasks[0].Target != c.IDs[1] ||
					tasks[0].Slots != part.Slots || tasks[0].ID != tasksOf(t, c, 0)[0].ID) {
					t.Errorf("node %d: %+v", i, tasks)
				}
			}
			// A caller that gives up ends nothing.
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(50*time.Millisecond, cancel)
			moved, err = c.Clients.MoveSlots(ctx, []redis.SlotMove{part}, atomicOptions(longBudget))
			if !errors.Is(err, context.Canceled) || !moved[0].Running {
				t.Errorf("%+v, %v", moved, err)
			}
			// Asked for more, it joins what runs and begins the rest.
			for _, m := range mustMove(t, c, []redis.SlotMove{move}) {
				if m.Keys != 1000 {
					t.Errorf("moved %d keys", m.Keys)
				}
			}
			if n := tasksBegun(c.Servers[1]); n != 2 {
				t.Errorf("%d tasks", n)
			}
		})
	}
}

// tasksBegun is how many migrations a server has begun as a target, by its log.
func tasksBegun(s *redistest.Server) int {
	return strings.Count(s.Log(), "New slot import job created") + strings.Count(s.Log(), "started for slots")
}

func TestCancelTasks(t *testing.T) {
	t.Parallel()
	for _, engine := range atomicEngines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			c := redistest.Form(t, 3, 0, redistest.Options{Engine: engine, Config: asInPods})
			own := slotsOf(t, c, 0)
			all, _ := spread(t, c, 0, 1)
			move := all[0]
			move.Slots = move.Slots.Take(200)
			fill(t, c.Servers[0], stringsIn(move.Slots, 5, 20))
			slowly(t, c.Servers[0], 10*time.Millisecond)
			cancel := func(i int, ids ...string) {
				t.Helper()
				if err := c.Clients.CancelTasks(t.Context(), c.Servers[i].Endpoint(), ids); err != nil {
					t.Error(err)
				}
			}
			if _, err := c.Clients.MoveSlots(t.Context(), []redis.SlotMove{move}, atomicOptions(100*time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			id := tasksOf(t, c, 0)[0].ID
			cancel(0)
			cancel(0, "another")
			cancel(2, id)
			if len(tasksOf(t, c, 0)) != 1 || len(tasksOf(t, c, 1)) != 1 {
				t.Errorf("cancelled what was not named")
			}
			// Whoever cancels does not know which of the two can; the other one must not: Redis would begin again.
			other := 0
			if strings.HasPrefix(engine.Version, "valkey") {
				other = 1
			}
			cancel(other, id)
			for i := range 2 {
				if tasks := tasksOf(t, c, i); len(tasks) != 1 || tasks[0].ID != id {
					t.Errorf("node %d: %+v after it was cancelled at node %d", i, tasks, other)
				}
			}
			cancel(0, id)
			cancel(1, id)
			cancel(0, id)
			redistest.Eventually(t, 20*time.Second, func() error {
				if n, m := len(tasksOf(t, c, 0)), len(tasksOf(t, c, 1)); n+m > 0 {
					return fmt.Errorf("%d and %d tasks", n, m)
				}
				return nil
			})
			time.Sleep(1200 * time.Millisecond) // Redis tries a task again every second that is not ended at its target
			if slotsOf(t, c, 0) != own || len(tasksOf(t, c, 1)) > 0 {
				t.Errorf("it went on:\n%s", c.Nodes(t.Context()))
			}
			slowly(t, c.Servers[0], 0)
			mustMove(t, c, []redis.SlotMove{move})
			noServerErrors(t, c)
		})
	}
}

// TestMoveAtomic_Refused has what cannot be moved: it is said of which node and why, and nothing else stops.
func TestMoveAtomic_Refused(t *testing.T) {
	t.Parallel()
	for _, engine := range atomicEngines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			c := redistest.Form(t, 3, 1, redistest.Options{Engine: engine, Config: asInPods})
			own := []cluster.SlotSet{slotsOf(t, c, 0), slotsOf(t, c, 1), slotsOf(t, c, 2)}
			good := redis.SlotMove{From: end(c, 0), To: end(c, 1), Slots: own[0].Take(10)}
			stranger, gone := end(c, 1), end(c, 2)
			stranger.ID = "0123456789012345678901234567890123456789"
			gone.Endpoint.Addr = "127.0.0.1:1"
			for name, tt := range map[string]struct {
				move redis.SlotMove
				want error
				at   string
			}{
				"a replica":      {redis.SlotMove{From: end(c, 0), To: end(c, 4)}, redis.ErrNotPrimary, c.Servers[4].Addr()},
				"not the owner":  {redis.SlotMove{From: end(c, 2), To: end(c, 1)}, redis.ErrNotOwner, c.Servers[2].Addr()},
				"not the target": {redis.SlotMove{From: end(c, 0), To: stranger}, redis.ErrUnknownNode, c.Servers[1].Addr()},
				"nobody there":   {redis.SlotMove{From: end(c, 0), To: gone}, redis.ErrRefused, "127.0.0.1:1"},
			} {
				tt.move.Slots = own[0].Minus(good.Slots).Take(5)
				moved, err := c.Clients.MoveSlots(t.Context(), []redis.SlotMove{tt.move, good}, atomicOptions(5*time.Second))
				if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.at) || !moved[0].Slots.IsEmpty() || moved[0].Running {
					t.Errorf("%s: %+v, %v", name, moved, err)
				}
				if moved[1].Slots != good.Slots {
					t.Errorf("%s: the other move: %+v", name, moved[1])
				}
				back := redis.SlotMove{From: good.To, To: good.From, Slots: good.Slots}
				mustMove(t, c, []redis.SlotMove{back})
			}
		})
	}
}

// TestMoveAtomic_Lagging begins nothing while a replica of the target lacks what the target has got.
func TestMoveAtomic_Lagging(t *testing.T) {
	t.Parallel()
	for _, engine := range atomicEngines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			c := redistest.Form(t, 3, 1, redistest.Options{Engine: engine, Config: asInPods})
			fill(t, c.Servers[1], stringsIn(slotsOf(t, c, 1).Take(100), 10, 1000))
			move := redis.SlotMove{From: end(c, 0), To: end(c, 1), Slots: slotsOf(t, c, 0).Take(50)}
			move.To.Copies = []redis.Endpoint{c.Servers[4].Endpoint(), c.Servers[5].Endpoint()} // 5 follows another
			moved, err := c.Clients.MoveSlots(t.Context(), []redis.SlotMove{move}, atomicOptions(longBudget))
			if !errors.Is(err, redis.ErrLagging) || !strings.Contains(err.Error(), c.Servers[5].Addr()) ||
				!moved[0].Slots.IsEmpty() || moved[0].Running || tasksBegun(c.Servers[1]) > 0 {
				t.Errorf("%+v, %v", moved, err)
			}
			move.To.Copies = move.To.Copies[:1]
			mustMove(t, c, []redis.SlotMove{move})
		})
	}
}

// TestMoveAtomic_Full has a target that has no memory for what is to come.
func TestMoveAtomic_Full(t *testing.T) {
	t.Parallel()
	for _, engine := range atomicEngines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			c := redistest.Form(t, 3, 0, redistest.Options{Engine: engine, Config: asInPods})
			own := slotsOf(t, c, 0)
			move := redis.SlotMove{From: end(c, 0), To: end(c, 1), Slots: own.Take(100)}
			fill(t, c.Servers[0], stringsIn(move.Slots, 10, 20_000)) // 20 MB
			info, err := c.Clients.Observe(t.Context(), c.Servers[1].Endpoint())
			if err != nil {
				t.Fatal(err)
			}
			limit := func(bytes int64) {
				c.Servers[1].MustDo(t, "CONFIG", "SET", "maxmemory", strconv.FormatInt(bytes, 10))
			}
			limit(info.UsedBytes + 8<<20)
			_, err = c.Clients.MoveSlots(t.Context(), []redis.SlotMove{move}, atomicOptions(5*time.Second))
			if !errors.Is(err, redis.ErrTargetFull) || !errors.Is(err, redis.ErrTargetRefuses) ||
				!strings.Contains(err.Error(), c.Servers[1].Addr()) && !strings.Contains(err.Error(), c.IDs[1].Short()) {
				t.Fatalf("got %v", err)
			}
			t.Log(err)
			settled(t, c, map[cluster.NodeID]cluster.SlotSet{c.IDs[0]: own})
			redistest.Eventually(t, 20*time.Second, func() error { // what came is dropped again
				if got := c.Servers[1].MustDo(t, "DBSIZE"); got != "0" {
					return fmt.Errorf("the target has %s keys", got)
				}
				return nil
			})
			limit(0)
			mustMove(t, c, []redis.SlotMove{move})
			if got := c.Servers[1].MustDo(t, "DBSIZE"); got != "1000" {
				t.Errorf("the target has %s keys", got)
			}
		})
	}
}

// TestMoveAtomic_Failing has a task of Redis break. It is told of, and the server does not try again for ever: it might
// take the slots from an owner that they have got since.
func TestMoveAtomic_Failing(t *testing.T) {
	t.Parallel()
	for _, engine := range atomicEngines(t) {
		if !strings.HasPrefix(engine.Version, "redis") {
			continue // a task of Valkey that has failed is over
		}
		c := redistest.Form(t, 3, 0, redistest.Options{Engine: engine, Config: asInPods})
		move := redis.SlotMove{From: end(c, 0), To: end(c, 1), Slots: slotsOf(t, c, 0).Take(50)}
		fill(t, c.Servers[0], stringsIn(move.Slots, 2, 10))
		c.Servers[1].MustDo(t, "DEBUG", "ASM-FAILPOINT", "import-main-channel", "wait-stream-eof")
		moved, err := c.Clients.MoveSlots(t.Context(), []redis.SlotMove{move}, atomicOptions(longBudget))
		var task *redis.TaskError
		if !errors.As(err, &task) || task.Addr != c.Servers[1].Addr() || task.Task.Slots != move.Slots ||
			task.Task.Source != c.IDs[0] || task.Task.Target != c.IDs[1] || !errors.Is(err, redis.ErrNotReachable) {
			t.Errorf("got %v", err)
		}
		t.Log(err)
		if !moved[0].Slots.IsEmpty() || moved[0].Running || len(tasksOf(t, c, 1)) > 0 {
			t.Errorf("%+v, %+v", moved, tasksOf(t, c, 1))
		}
		c.Servers[1].MustDo(t, "DEBUG", "ASM-FAILPOINT", "", "")
		mustMove(t, c, []redis.SlotMove{move})
	}
}

// TestMoveAtomic_AsUsers has the servers know each other by a user that may do only what it has to.
func TestMoveAtomic_AsUsers(t *testing.T) {
	t.Parallel()
	for _, engine := range atomicEngines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			rules := "+psync +replconf +ping"
			if strings.HasPrefix(engine.Version, "valkey") {
				rules += " +cluster|syncslots +select +@write +pfcount ~*"
			}
			c := redistest.Form(t, 2, 0, redistest.Options{
				Engine: engine, Config: append([]string{"masteruser replication", "masterauth another-secret"}, asInPods...),
				Users: []string{"replication on >another-secret " + rules},
			})
			move := redis.SlotMove{From: end(c, 0), To: end(c, 1), Slots: slotsOf(t, c, 0).Take(50)}
			fill(t, c.Servers[0], stringsIn(move.Slots, 2, 10))
			if strings.HasPrefix(engine.Version, "valkey") {
				c.Servers[1].MustDo(t, "ACL", "SETUSER", "replication", "-set")
				_, err := c.Clients.MoveSlots(t.Context(), []redis.SlotMove{move}, atomicOptions(5*time.Second))
				if err == nil || strings.Contains(err.Error(), "another-secret") {
					t.Errorf("got %v", err)
				}
				t.Log(err)
				c.Servers[1].MustDo(t, "ACL", "SETUSER", "replication", "+set")
			}
			mustMove(t, c, []redis.SlotMove{move})
			if got := c.Servers[1].MustDo(t, "DBSIZE"); got != "100" {
				t.Errorf("the target has %s keys", got)
			}
		})
	}
}

// TestCopyFunctions gives functions to who has none and owns nothing, and to nobody else.
func TestCopyFunctions(t *testing.T) {
	t.Parallel()
	lib := func(name string) string {
		return "#!lua name=" + name + "\nredis.register_function('" + name + "', function() return 1 end)"
	}
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			servers := redistest.StartMany(t, 2, redistest.Options{Engine: engine})
			clients := newClients(t, redis.Dialer{})
			from := redis.MoveEnd{Endpoint: servers[0].Endpoint()}
			to := redis.MoveEnd{Endpoint: servers[1].Endpoint()}
			copyAll := func(want string) {
				t.Helper()
				if err := clients.CopyFunctions(t.Context(), from, to); err != nil {
					t.Error(err)
				}
				if got := servers[1].MustDo(t, "FUNCTION", "DUMP"); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			nothing := servers[1].MustDo(t, "FUNCTION", "DUMP")
			copyAll(nothing)
			calls := strings.Count(servers[0].MustDo(t, "INFO", "commandstats"), "cmdstat_function")
			if calls != 0 {
				t.Errorf("asked for functions that are not there")
			}
			servers[0].MustDo(t, "FUNCTION", "LOAD", lib("one"))
			all := servers[0].MustDo(t, "FUNCTION", "DUMP")
			servers[1].MustDo(t, "CLUSTER", "ADDSLOTS", "1")
			copyAll(nothing)
			servers[1].MustDo(t, "CLUSTER", "DELSLOTS", "1")
			copyAll(all)
			servers[0].MustDo(t, "FUNCTION", "LOAD", lib("two"))
			copyAll(all)
		})
	}
}
