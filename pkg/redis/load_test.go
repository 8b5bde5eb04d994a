package redis_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// lonely is a node that owns all slots.
func lonely(tb testing.TB, opts redistest.Options) (*redistest.Server, *redis.Clients) {
	tb.Helper()
	s := redistest.Start(tb, opts)
	clients := newClients(tb, redis.Dialer{CommandTimeout: 20 * time.Second})
	if err := clients.AddSlots(tb.Context(), s.Endpoint(), 1, cluster.AllSlots()); err != nil {
		tb.Fatal(err)
	}
	redistest.Eventually(tb, 20*time.Second, func() error {
		info, err := clients.Observe(tb.Context(), s.Endpoint())
		if err == nil && !info.StateOK {
			err = fmt.Errorf("not ok")
		}
		return err
	})
	return s, clients
}

// dataOf is what the server says that it has.
func dataOf(tb testing.TB, c *redis.Clients, s *redistest.Server) int64 {
	tb.Helper()
	info, err := c.Observe(tb.Context(), s.Endpoint())
	if err != nil {
		tb.Fatal(err)
	}
	return info.DataBytes
}

// slotRange is slots, from which some are taken for something else.
func slotRange(first, last cluster.Slot) cluster.SlotSet {
	return cluster.NewSlotSet(cluster.SlotRange{First: first, Last: last})
}

// big is commands that make one big key of each kind.
func big(slot cluster.Slot, kind string, elements, size int) func(yield func([]string) bool) {
	value := strings.Repeat("v", size)
	key := keyIn(slot, 1_000_000)
	return func(yield func([]string) bool) {
		for i := range elements {
			item := strconv.Itoa(i) + value
			cmd := map[string][]string{
				"string": {"APPEND", key, value}, "list": {"RPUSH", key, item}, "set": {"SADD", key, item},
				"zset": {"ZADD", key, strconv.Itoa(i), item}, "hash": {"HSET", key, strconv.Itoa(i), value},
				"stream": {"XADD", key, "*", "field", item},
			}[kind]
			if !yield(cmd) {
				return
			}
		}
	}
}

// TestSlotLoads compares what is estimated with what the server's memory grew by when the data came.
func TestSlotLoads(t *testing.T) {
	type setup struct {
		name    string
		config  []string
		engines func(redistest.Engine) bool
	}
	for _, how := range []setup{
		{name: "sampled"},
		{
			name: "counted", config: []string{"cluster-slot-stats-enabled yes"},
			engines: func(e redistest.Engine) bool { return strings.HasPrefix(e.Version, "redis 8.6") },
		},
	} {
		for _, engine := range redistest.Engines(t) {
			if how.engines != nil && !how.engines(engine) {
				continue
			}
			t.Run(how.name+"/"+engine.Name, func(t *testing.T) {
				s, clients := lonely(t, redistest.Options{Engine: engine, Config: how.config})
				truth, names := map[string]int64{}, map[string]cluster.SlotSet{}
				add := func(name string, slots cluster.SlotSet, cmds func(yield func([]string) bool)) {
					before := dataOf(t, clients, s)
					fill(t, s, cmds)
					truth[name] += dataOf(t, clients, s) - before
					names[name] = slots
				}
				// The tables of all slots grow before what is to be compared.
				add("small", slotRange(0, 1999), stringsIn(slotRange(0, 1999), 4, 300))
				add("middle", slotRange(8000, 8499), stringsIn(slotRange(8000, 8499), 10, 3000))
				for i, kind := range []string{"string", "list", "set", "zset", "hash", "stream"} {
					slot := cluster.Slot(9000 + i)
					fill(t, s, stringsIn(slotRange(slot, slot), 20, 100))
					add(kind, slotRange(slot, slot), big(slot, kind, 8000, 100))
				}
				checkLoads(t, clients, s, names, truth)
			})
		}
	}
}

// TestSlotLoads_Many has more keys than are measured.
func TestSlotLoads_Many(t *testing.T) {
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			s, clients := lonely(t, redistest.Options{Engine: engine})
			truth, names := map[string]int64{}, map[string]cluster.SlotSet{}
			for i, group := range []struct{ slots, each, size int }{{4000, 20, 60}, {500, 60, 1500}, {10, 500, 6000}, {2000, 1, 40}} {
				name, first := fmt.Sprint(group), cluster.Slot(i*4000)
				slots := slotRange(first, first+cluster.Slot(group.slots)-1)
				before := dataOf(t, clients, s)
				fill(t, s, stringsIn(slots, group.each, group.size))
				truth[name], names[name] = dataOf(t, clients, s)-before, slots
			}
			checkLoads(t, clients, s, names, truth)
			if n := commandCalls(t, s, "memory|usage"); n > 60_000 {
				t.Errorf("%d keys were measured", n)
			}
		})
	}
}

func commandCalls(tb testing.TB, s *redistest.Server, name string) int {
	tb.Helper()
	_, line, _ := strings.Cut(s.MustDo(tb, "INFO", "commandstats"), "cmdstat_"+name+":calls=")
	number, _, _ := strings.Cut(line, ",")
	n, err := strconv.Atoi(number)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

func checkLoads(tb testing.TB, c *redis.Clients, s *redistest.Server, groups map[string]cluster.SlotSet, truth map[string]int64) {
	tb.Helper()
	start := time.Now()
	loads, err := c.SlotLoads(tb.Context(), s.Endpoint(), cluster.AllSlots())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Logf("%d slots in %v", len(loads), time.Since(start))
	var all, keys int64
	for _, load := range loads {
		all += load.Bytes
		keys += load.Keys
	}
	if got := s.MustDo(tb, "DBSIZE"); got != strconv.FormatInt(keys, 10) {
		tb.Errorf("%d keys, and the server has %s", keys, got)
	}
	if data := dataOf(tb, c, s); all < data*8/10 || all > data*12/10 {
		tb.Errorf("%d bytes in all, and the server has %d", all, data)
	}
	for name, slots := range groups {
		var got int64
		for slot := range slots.All() {
			got += loads[slot].Bytes
		}
		tb.Logf("%-14s %9d of %9d: %+.1f %%", name, got, truth[name], 100*float64(got-truth[name])/float64(truth[name]))
		// A fifth; but nobody moves slots because of a hundredth of all.
		if allowed := max(truth[name]/5, all/100); got < truth[name]-allowed || got > truth[name]+allowed {
			tb.Errorf("%s: estimated %d, and it is %d", name, got, truth[name])
		}
	}
}
