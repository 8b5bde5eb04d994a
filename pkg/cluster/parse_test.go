package cluster_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// captured reads a text that a real server gave (testdata/capture.sh).
func captured(t testing.TB, name string) cluster.Table {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".nodes"))
	if err != nil {
		t.Fatal(err)
	}
	table, err := cluster.ParseNodes(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

var engines = []string{"redis-7.0", "redis-8.0", "redis-8.6", "valkey-8.1", "valkey-9.1"}

// the is the one node of the table for which is says yes.
func the(t testing.TB, table cluster.Table, is func(cluster.Node) bool) cluster.Node {
	t.Helper()
	var found []cluster.Node
	for _, n := range table {
		if is(n) {
			found = append(found, n)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d nodes are so, not one, in %+v", len(found), table)
	}
	return found[0]
}

func self(t testing.TB, table cluster.Table) cluster.Node {
	t.Helper()
	return the(t, table, func(n cluster.Node) bool { return n.Flags.Myself })
}

func TestParseNodes_RealServers(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		for sentence, test := range map[string]func(t *testing.T, capture func(string) cluster.Table){
			"a new node knows itself and no address": func(t *testing.T, capture func(string) cluster.Table) {
				n := self(t, capture("alone"))
				want := cluster.Node{
					ID: n.ID, Addr: cluster.Addr{Port: 21100, BusPort: 21150}, Role: cluster.Primary,
					Flags: cluster.Flags{Myself: true}, Connected: true, Slots: n.Slots,
				}
				if n.Addr != want.Addr || n.Flags != want.Flags || n.Role != want.Role || !n.Slots.IsEmpty() {
					t.Errorf("got %+v, want %+v", n, want)
				}
			},
			"a replica names its primary and its hostname": func(t *testing.T, capture func(string) cluster.Table) {
				for _, text := range []string{"whole", "whole-conf"} {
					n := the(t, capture(text), func(n cluster.Node) bool { return n.Role == cluster.Replica })
					if n.PrimaryID != self(t, capture("whole")).ID || n.Hostname != "demo-3.demo.default.svc" {
						t.Errorf("%s: got %+v", text, n)
					}
				}
			},
			"primaries have their slots": func(t *testing.T, capture func(string) cluster.Table) {
				if got := self(t, capture("whole-conf")).Slots.String(); got != "0-5460" {
					t.Errorf("got %s", got)
				}
			},
			"a handshake is no node yet": func(t *testing.T, capture func(string) cluster.Table) {
				n := the(t, capture("handshake"), func(n cluster.Node) bool { return n.Addr.Port == 21109 })
				if !n.Flags.Handshake || n.Role != cluster.RoleUnknown {
					t.Errorf("got %+v", n)
				}
			},
			"a slot is open at both ends": func(t *testing.T, capture func(string) cluster.Table) {
				source, target := self(t, capture("open-source")), self(t, capture("open-target"))
				out := cluster.OpenSlot{Slot: 42, Peer: target.ID}
				in := cluster.OpenSlot{Slot: 42, Importing: true, Peer: source.ID}
				if len(source.Open) != 1 || source.Open[0] != out || len(target.Open) != 1 || target.Open[0] != in {
					t.Errorf("got %+v and %+v", source.Open, target.Open)
				}
				if !source.Slots.Has(42) || target.Slots.Has(42) {
					t.Error("the source owns an open slot until the end")
				}
			},
			"a failed primary still owns its slots": func(t *testing.T, capture func(string) cluster.Table) {
				for _, text := range []string{"failed", "failed-conf"} {
					n := the(t, capture(text), func(n cluster.Node) bool { return n.Flags.Fail })
					if n.Slots.String() != "10923-16383" || n.Connected || n.Flags.PFail {
						t.Errorf("%s: got %+v", text, n)
					}
				}
			},
			"a node whose address answers as somebody else has none": func(t *testing.T, capture func(string) cluster.Table) {
				for _, text := range []string{"noaddr", "noaddr-conf"} {
					n := the(t, capture(text), func(n cluster.Node) bool { return n.Flags.NoAddr })
					if n.Addr != (cluster.Addr{}) {
						t.Errorf("%s: got %+v", text, n)
					}
				}
			},
			"an IPv6 address has colons": func(t *testing.T, capture func(string) cluster.Table) {
				want := cluster.Addr{IP: "::1", Port: 21104, BusPort: 21154}
				n := the(t, capture("ipv6"), func(n cluster.Node) bool { return !n.Flags.Myself })
				if n.Addr != want {
					t.Errorf("got %+v", n)
				}
			},
		} {
			t.Run(engine+"/"+sentence, func(t *testing.T) {
				t.Parallel()
				test(t, func(text string) cluster.Table { return captured(t, engine+"-"+text) })
			})
		}
	}
}

func TestParseNodes_Suspected(t *testing.T) {
	t.Parallel()
	n := the(t, captured(t, "redis-7.0-suspected"), func(n cluster.Node) bool { return n.Flags.PFail })
	if n.Flags.Fail {
		t.Error("suspected is not failed")
	}
}

const (
	idA = "00000000000000000000000000000000000000aa"
	idB = "00000000000000000000000000000000000000bb"
)

func TestParseNodes_Lines(t *testing.T) {
	t.Parallel()
	for sentence, c := range map[string]struct {
		line string
		want cluster.Node
	}{
		"an old server writes no bus port": {
			idA + " 10.0.0.1:6379 myself,master - 0 0 7 connected 1 3-4",
			cluster.Node{
				Addr: cluster.Addr{IP: "10.0.0.1", Port: 6379, BusPort: 16379}, Role: cluster.Primary,
				Flags: cluster.Flags{Myself: true}, ConfigEpoch: 7, Connected: true, Slots: set(t, "1,3-4"),
			},
		},
		"an address in brackets": {
			idA + " [fd00::1]:6379@16379 slave " + idB + " 0 17 1 disconnected",
			cluster.Node{Addr: cluster.Addr{IP: "fd00::1", Port: 6379, BusPort: 16379}, Role: cluster.Replica, PrimaryID: idB, ConfigEpoch: 1},
		},
		"fields of a newer server after the address": {
			idA + " 10.0.0.1:6379@16379,,tls-port=0,shard-id=x,zone=a=b noflags - 0 17 1 disconnected -",
			cluster.Node{Addr: cluster.Addr{IP: "10.0.0.1", Port: 6379, BusPort: 16379}, ConfigEpoch: 1},
		},
		"fields without a hostname before them": {
			idA + " 10.0.0.1:6379@16379,shard-id=x master,nofailover,brandnew - 0 17 1 connected",
			cluster.Node{Addr: cluster.Addr{IP: "10.0.0.1", Port: 6379, BusPort: 16379}, Role: cluster.Primary, ConfigEpoch: 1, Connected: true},
		},
		"an endpoint that is not known": {
			idA + " ?:6379@16379 handshake,fail?,noaddr - 0 17 0 disconnected",
			cluster.Node{Addr: cluster.Addr{Port: 6379, BusPort: 16379}, Flags: cluster.Flags{Handshake: true, PFail: true, NoAddr: true}},
		},
		"a ping that was sent has not been answered": {
			idA + " 10.0.0.1:6379@16379 master,fail? - 1795334474333 1795334473829 0 connected",
			cluster.Node{
				Addr: cluster.Addr{IP: "10.0.0.1", Port: 6379, BusPort: 16379}, Role: cluster.Primary,
				Flags: cluster.Flags{PFail: true}, Connected: true, Awaited: true,
			},
		},
		"a node that has never answered": {
			idA + " 10.0.0.1:6379@16379 master - 0 0 0 connected",
			cluster.Node{
				Addr: cluster.Addr{IP: "10.0.0.1", Port: 6379, BusPort: 16379}, Role: cluster.Primary, Connected: true, Awaited: true,
			},
		},
		"open slots come sorted": {
			idA + " :0@0 fail,master - 0 17 0 connected [9-<-" + idB + "] [7->-" + idB + "]",
			cluster.Node{Role: cluster.Primary, Flags: cluster.Flags{Fail: true}, Connected: true, Open: []cluster.OpenSlot{
				{Slot: 7, Peer: idB}, {Slot: 9, Importing: true, Peer: idB},
			}},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			c.want.ID = idA
			for _, around := range []string{"%", "%\n", "\r\n%\r\n\n", "vars currentEpoch 6 lastVoteEpoch 0\n%"} {
				table, err := cluster.ParseNodes(strings.Replace(around, "%", c.line, 1))
				if err != nil || len(table) != 1 || !same(table[0], c.want) {
					t.Errorf("within %q: got %+v, %v, want %+v", around, table, err, c.want)
				}
			}
		})
	}
}

func TestParseNodes_Refuses(t *testing.T) {
	t.Parallel()
	good := idA + " 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 0-5"
	for sentence, text := range map[string]string{
		"an error reply":            "ERR This instance has cluster support disabled",
		"a cut line":                idA + " 10.0.0.1:6379@16379 master - 0 0 1",
		"a short ID":                strings.Replace(good, idA, "abc", 1),
		"an ID that is not hex":     strings.Replace(good, idA, strings.Repeat("z", 40), 1),
		"a primary that is no ID":   strings.Replace(good, " - ", " x ", 1),
		"an address without a port": strings.Replace(good, ":6379", "", 1),
		"a port that is none":       strings.Replace(good, ":6379", ":66000", 1),
		"a bus port that is none":   strings.Replace(good, "@16379", "@", 1),
		"an epoch that is none":     strings.Replace(good, " 1 ", " -1 ", 1),
		"a slot that is none":       good + " 16384",
		"a range backwards":         good + " 5-4",
		"an open slot not closed":   good + " [1->-" + idB,
		"an open slot of nobody":    good + " [1->-]",
		"an open slot that is none": good + " [x->-" + idB + "]",
		"an open slot without way":  good + " [1]",
		"a node twice":              good + "\n" + good,
		"two nodes that are myself": good + "\n" + strings.Replace(good, idA, idB, 1),
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			if table, err := cluster.ParseNodes(text); !errors.Is(err, cluster.ErrNodes) || table != nil {
				t.Errorf("got %+v, %v", table, err)
			}
		})
	}
}

func TestParseNodes_NamesTheLine(t *testing.T) {
	t.Parallel()
	_, err := cluster.ParseNodes("\n" + idA + " x\n")
	if err == nil || !strings.Contains(err.Error(), `line 2 "`+idA+` x"`) {
		t.Errorf("got %v", err)
	}
	if _, err = cluster.ParseNodes(strings.Repeat("x", 1<<20)); err == nil || len(err.Error()) > 1000 {
		t.Error("an error is no place for a megabyte")
	}
}

func same(a, b cluster.Node) bool {
	if len(a.Open) != len(b.Open) {
		return false
	}
	for i := range a.Open {
		if a.Open[i] != b.Open[i] {
			return false
		}
	}
	return a.ID == b.ID && a.Addr == b.Addr && a.Hostname == b.Hostname && a.Role == b.Role && a.Flags == b.Flags &&
		a.PrimaryID == b.PrimaryID && a.Awaited == b.Awaited && a.ConfigEpoch == b.ConfigEpoch && a.Connected == b.Connected && a.Slots == b.Slots
}

func FuzzParseNodes(f *testing.F) {
	files, err := filepath.Glob("testdata/*.nodes")
	if err != nil || len(files) < 50 {
		f.Fatalf("%d captured texts, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		table, err := cluster.ParseNodes(text)
		if err != nil {
			if !errors.Is(err, cluster.ErrNodes) || table != nil {
				t.Errorf("got %+v, %v", table, err)
			}
			return
		}
		for i, n := range table {
			if i > 0 && table[i-1].ID >= n.ID {
				t.Errorf("%s comes before %s", table[i-1].ID, n.ID)
			}
			if found, ok := table.Find(n.ID); !ok || !same(found, n) {
				t.Errorf("%s is not found", n.ID)
			}
			if n.Slots.Len() < 0 || n.Addr.Port > 65535 {
				t.Errorf("%+v", n)
			}
		}
	})
}
