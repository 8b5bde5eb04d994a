package redis_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// kinds are keys of every type, by their name.
func kinds(tag string) map[string][]redistest.Command {
	name := func(kind string) string { return "{" + tag + "}" + kind }
	binary := "a\r\n$3\r\n\x00\xff {}"
	many := func(cmd, key string, n int, words func(i int) []string) redistest.Command {
		c := redistest.Command{cmd, key}
		for i := range n {
			c = append(c, words(i)...)
		}
		return c
	}
	field := func(i int) []string { return []string{"field" + strconv.Itoa(i), strings.Repeat("x", 100)} }
	member := func(i int) []string { return []string{"member" + strconv.Itoa(i)} }
	scored := func(i int) []string { return []string{strconv.Itoa(i), "member" + strconv.Itoa(i)} }
	return map[string][]redistest.Command{
		name("string"):       {{"SET", name("string"), "v"}},
		name("empty"):        {{"SET", name("empty"), ""}},
		name(binary):         {{"SET", name(binary), binary}},
		name("ttl"):          {{"SET", name("ttl"), "v", "PX", "3600000"}},
		name("list"):         {many("RPUSH", name("list"), 3, member)},
		name("long list"):    {many("RPUSH", name("long list"), 20000, member)},
		name("set"):          {many("SADD", name("set"), 3, member)},
		name("large set"):    {many("SADD", name("large set"), 2000, member)},
		name("numbers"):      {{"SADD", name("numbers"), "1", "2", "3"}},
		name("hash"):         {many("HSET", name("hash"), 3, field), {"PEXPIRE", name("hash"), "7200000"}},
		name("large hash"):   {many("HSET", name("large hash"), 2000, field)},
		name("scores"):       {many("ZADD", name("scores"), 3, scored)},
		name("large scores"): {many("ZADD", name("large scores"), 2000, scored)},
		name("bits"):         {{"SETBIT", name("bits"), "100000", "1"}},
		name("log"):          {{"PFADD", name("log"), "a", "b", "c"}},
		name("large"):        {{"SET", name("large"), strings.Repeat("0123456789abcdef", 1<<16)}},
		name("stream"): {
			{"XADD", name("stream"), "1-1", "a", "1"},
			{"XADD", name("stream"), "2-1", "b", "2"},
			{"XADD", name("stream"), "3-1", "c", "3"},
			{"XDEL", name("stream"), "2-1"},
			{"XCLAIM", name("stream"), "readers", "one", "0", "1-1", "FORCE", "JUSTID"},
		},
	}
}

// contents is what a server has of a key, in a form that is the same wherever it is.
func contents(tb testing.TB, s *redistest.Server, key string) string {
	tb.Helper()
	script := `
		local t = redis.call('TYPE', KEYS[1]).ok
		local v
		if t == 'string' then v = redis.call('GET', KEYS[1])
		elseif t == 'list' then v = cjson.encode(redis.call('LRANGE', KEYS[1], 0, -1))
		elseif t == 'set' then v = redis.call('SMEMBERS', KEYS[1]); table.sort(v); v = cjson.encode(v)
		elseif t == 'zset' then v = cjson.encode(redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'))
		elseif t == 'hash' then
			local f = redis.call('HKEYS', KEYS[1]); table.sort(f); v = ''
			for _, name in ipairs(f) do v = v .. name .. '=' .. redis.call('HGET', KEYS[1], name) .. ',' end
		elseif t == 'stream' then
			v = cjson.encode({redis.call('XRANGE', KEYS[1], '-', '+'), redis.call('XPENDING', KEYS[1], 'readers'),
				redis.call('XINFO', 'STREAM', KEYS[1])[6]})
		else v = 'nothing' end
		-- What is left to live is rounded to milliseconds, and travels for some.
		local left = math.floor(redis.call('PTTL', KEYS[1]) / 600000 + 0.5)
		return t .. ' ' .. left .. ' ' .. redis.sha1hex(v) .. ' ' .. string.len(v)`
	return s.MustDo(tb, "EVAL", script, "1", key)
}

// TestMoveSlots_Kinds moves keys of every type there and back. Nothing of them changes.
func TestMoveSlots_Kinds(t *testing.T) {
	t.Parallel()
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			c := redistest.FormSteady(t, 3, 0, redistest.Options{Engine: engine})
			move := redis.SlotMove{From: c.End(t, 0), To: c.End(t, 1)}
			want := map[string]string{}
			for i := 0; move.Slots.Len() < 3; i++ {
				tag := strconv.Itoa(i)
				if slot := redistest.KeySlot(tag); c.Owned(t, 0).Has(slot) {
					move.Slots = move.Slots.Add(slot)
					// The name of the key is not the first word of what makes a group: Fill cannot tell where it goes.
					c.Servers[0].MustDo(t, "XGROUP", "CREATE", "{"+tag+"}stream", "readers", "0", "MKSTREAM")
					for key, commands := range kinds(tag) {
						c.Fill(t, commands)
						want[key] = contents(t, c.Servers[0], key)
					}
				}
			}
			there, back := []redis.SlotMove{move}, []redis.SlotMove{{From: move.To, To: move.From, Slots: move.Slots}}
			for _, profile := range profiles {
				o := classic
				o.Profile = profile
				if sum := moveAll(t, c, there, o); sum[0].Keys != int64(len(want)) || sum[0].Bytes == 0 {
					t.Errorf("%s: %d keys and %d bytes were moved, there were %d keys", profile, sum[0].Keys, sum[0].Bytes, len(want))
				}
				compare(t, c.Servers[1], want)
				moveAll(t, c, back, o)
				compare(t, c.Servers[0], want)
			}
			c.Whole(t)
		})
	}
}

func compare(tb testing.TB, s *redistest.Server, want map[string]string) {
	tb.Helper()
	for key, before := range want {
		if now := contents(tb, s, key); now != before {
			tb.Errorf("%q was %s and is %s", key, before, now)
		}
	}
}

// TestMoveSlots_HotKeys moves a slot there and back while its few keys are written to all the time, so that what was
// read of them is old by the time that it could be deleted. No write is lost.
func TestMoveSlots_HotKeys(t *testing.T) {
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			c := redistest.FormSteady(t, 3, 0, redistest.Options{Engine: engine})
			slot := redistest.KeySlot("{06S}")
			traffic := redistest.StartTraffic(t, c.Servers, redistest.TrafficOptions{Prefix: "{06S}", Keys: 4})
			o := classic
			o.Profile = redis.ProfileLatency
			for i := range 40 {
				from, to := c.End(t, i%2), c.End(t, 1-i%2)
				moveAll(t, c, []redis.SlotMove{{From: from, To: to, Slots: cluster.SlotSet{}.Add(slot)}}, o)
			}
			traffic.Check(t)
			c.Whole(t)
			t.Log(traffic.Wrote(), "writes", traffic.Redirects(), "redirects", traffic.Failed(), "failures")
		})
	}
}

// TestMoveSlots_ManyKeys moves a slot that has more keys than are listed at once, and than a command may have.
func TestMoveSlots_ManyKeys(t *testing.T) {
	t.Parallel()
	c := redistest.FormSteady(t, 3, 0, redistest.Options{})
	var commands []redistest.Command
	for i := range 20000 {
		commands = append(commands, redistest.Command{"SET", fmt.Sprintf("{06S}%d", i), strconv.Itoa(i)})
	}
	slot := redistest.KeySlot("{06S}")
	if !c.Owned(t, 0).Has(slot) {
		t.Fatalf("slot %d", slot)
	}
	c.Fill(t, commands)
	for i, profile := range profiles {
		o, from, to := classic, i%2, 1-i%2
		o.Profile = profile
		moves := []redis.SlotMove{{From: c.End(t, from), To: c.End(t, to), Slots: cluster.SlotSet{}.Add(slot)}}
		if sum := moveAll(t, c, moves, o); sum[0].Keys != 20000 {
			t.Errorf("%s: %d keys were moved", profile, sum[0].Keys)
		}
		if got := c.Servers[to].MustDo(t, "CLUSTER", "COUNTKEYSINSLOT", strconv.Itoa(int(slot))); got != "20000" {
			t.Errorf("%s: %s keys are there", profile, got)
		}
	}
	c.Whole(t)
}
