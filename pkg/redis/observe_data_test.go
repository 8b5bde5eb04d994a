package redis_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// TestObserve_DataBytes counts what keys cost, and neither what replicas nor what clients do.
func TestObserve_DataBytes(t *testing.T) {
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			c := redistest.Form(t, 2, 1, redistest.Options{Engine: engine, Config: []string{"repl-backlog-size 16mb"}})
			s := c.Servers[0]
			empty := dataOf(t, c.Clients, s)
			slots := slotsOf(t, c, 0).Take(500)
			fill(t, s, stringsIn(slots, 40, 500)) // which fills the backlog, too
			var conns []*wire
			for range 50 {
				w, err := dialWire(s.Addr())
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = w.Close() }()
				conns = append(conns, w)
				if _, err = w.do([]string{"GET", strings.Repeat("x", 10_000)}); err != nil {
					t.Fatal(err)
				}
			}
			info, err := c.Clients.Observe(t.Context(), s.Endpoint())
			if err != nil {
				t.Fatal(err)
			}
			// 20,000 keys of 500 bytes, their names, objects and tables.
			grown := info.DataBytes - empty
			t.Logf("%d bytes with %d clients, empty %d, used %d", info.DataBytes, len(conns), empty, info.UsedBytes)
			if grown < 20_000*520 || grown > 20_000*760 {
				t.Errorf("%d bytes for 20,000 keys of 500", grown)
			}
			if empty > 1<<20 || info.UsedBytes < info.DataBytes+8<<20 {
				t.Errorf("empty %d, used %d, data %d", empty, info.UsedBytes, info.DataBytes)
			}
			loads, err := c.Clients.SlotLoads(t.Context(), s.Endpoint(), slots)
			if err != nil || len(loads) != 500 {
				t.Errorf("%d slots, %v", len(loads), err)
			}
		})
	}
}

// TestObserve_Quietly asks no server for what it would call an error, and none for what it does not have.
func TestObserve_Quietly(t *testing.T) {
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			c := redistest.Form(t, 1, 1, redistest.Options{Engine: engine, Config: []string{"maxmemory-policy allkeys-lru"}})
			for i, s := range c.Servers {
				s.MustDo(t, "CONFIG", "RESETSTAT")
				info, err := c.Clients.Observe(t.Context(), s.Endpoint())
				if err != nil {
					t.Fatal(err)
				}
				if !info.Evicts || len(info.Tasks) > 0 {
					t.Errorf("got %+v", info)
				}
				var asked []string
				for line := range strings.Lines(s.MustDo(t, "INFO", "commandstats")) {
					name, _, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":")
					if strings.HasPrefix(name, "cluster|") {
						asked = append(asked, name)
					}
				}
				slices.Sort(asked)
				want := []string{"cluster|info", "cluster|nodes"}
				if strings.HasPrefix(engine.Version, "valkey 9") && i == 0 {
					want = []string{"cluster|getslotmigrations", "cluster|info", "cluster|nodes"}
				}
				if !slices.Equal(asked, want) {
					t.Errorf("node %d: asked %v", i, asked)
				}
				s.MustDo(t, "CONFIG", "SET", "maxmemory-policy", "noeviction")
				if info, err = c.Clients.Observe(t.Context(), s.Endpoint()); err != nil || info.Evicts {
					t.Errorf("evicts %v, %v", info.Evicts, err)
				}
			}
			noServerErrors(t, c)
		})
	}
}

// TestObserve_Empty is a node that has nothing, of which some servers say that its dataset is less than that.
func TestObserve_Empty(t *testing.T) {
	for _, engine := range redistest.Engines(t) {
		s := redistest.Start(t, redistest.Options{Engine: engine})
		if data := dataOf(t, newClients(t, redis.Dialer{}), s); data < 0 || data > 1<<20 {
			t.Errorf("%s: %d", engine.Name, data)
		}
	}
}
