package redisnode

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const (
	idA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	idB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	idC = "cccccccccccccccccccccccccccccccccccccccc"
)

func TestRepairNodes(t *testing.T) {
	t.Parallel()
	const vars = "vars currentEpoch 6 lastVoteEpoch 0\n"
	for name, test := range map[string]struct {
		line, wanted string // of node B, but for the own address
		ip           string
	}{
		"a peer at a new address, as Redis 7.0 writes it": {
			line: idB + " 10.0.0.2:6379@16379 master - 0 1 2 connected 5461-10922", ip: "10.9.9.2",
			wanted: idB + " 10.9.9.2:6379@16379 master - 0 1 2 connected 5461-10922",
		},
		"hostname, ports and shard stay": {
			line: idB + " 10.0.0.2:7000@17000,demo-1.demo.svc,tls-port=0,shard-id=" + idC + " slave " + idC +
				" 0 1 2 connected",
			ip: "10.9.9.2",
			wanted: idB + " 10.9.9.2:6379@16379,demo-1.demo.svc,tls-port=0,shard-id=" + idC + " slave " + idC +
				" 0 1 2 connected",
		},
		"a peer that nobody answers for": {
			line:   idB + " 10.0.0.2:6379@16379,,shard-id=" + idC + " master - 0 1 2 connected 5461-10922",
			wanted: idB + " :0@0,,shard-id=" + idC + " master,noaddr - 0 1 2 connected 5461-10922",
		},
		"a peer without address that is back": {
			line: idB + " :0@0 slave,noaddr " + idC + " 0 1 2 disconnected", ip: "10.9.9.2",
			wanted: idB + " 10.9.9.2:6379@16379 slave " + idC + " 0 1 2 disconnected",
		},
		"a peer that had failed and is back": {
			line: idB + " 10.0.0.2:6379@16379 master,fail - 0 1 2 disconnected 1-5", ip: "10.9.9.2",
			wanted: idB + " 10.9.9.2:6379@16379 master - 0 1 2 disconnected 1-5",
		},
		"a peer that has failed": {
			line:   idB + " 10.0.0.2:6379@16379 master,fail - 0 1 2 disconnected 1-5",
			wanted: idB + " :0@0 master,fail,noaddr - 0 1 2 disconnected 1-5",
		},
		"a peer that is gone already": {
			line:   idB + " :0@0 slave,fail,noaddr " + idC + " 0 1 2 disconnected",
			wanted: idB + " :0@0 slave,fail,noaddr " + idC + " 0 1 2 disconnected",
		},
		"a peer by IPv6": {
			line: idB + " fd00::2:6379@16379 master - 0 1 2 connected", ip: "fd00::9",
			wanted: idB + " fd00::9:6379@16379 master - 0 1 2 connected",
		},
		"a node without flags": {
			line: idB + " 10.0.0.2:6379@16379 noflags - 0 1 2 connected", ip: "10.9.9.2",
			wanted: idB + " 10.9.9.2:6379@16379 noflags - 0 1 2 connected",
		},
		"the node itself": {
			line:   idB + " 10.0.0.2:6379@16379,,shard-id=" + idC + " myself,slave " + idC + " 0 0 2 connected",
			wanted: idB + " 10.9.9.1:6379@16379,,shard-id=" + idC + " myself,slave " + idC + " 0 0 2 connected",
		},
		"open slots": {
			line:   idB + " 10.0.0.2:6379@16379 myself,master - 0 0 2 connected 1-5 [6->-" + idC + "] [7-<-" + idC + "]",
			wanted: idB + " 10.9.9.1:6379@16379 myself,master - 0 0 2 connected 1-5 [6->-" + idC + "] [7-<-" + idC + "]",
		},
	} {
		peers := map[cluster.NodeID]string{}
		if test.ip != "" {
			peers[idB] = test.ip
		}
		if got := repairNodes(test.line+"\n"+vars, "10.9.9.1", peers); got != test.wanted+"\n"+vars {
			t.Errorf("%s:\ngot    %s\nwanted %s", name, got, test.wanted)
		}
	}
}

// What real servers have written keeps its meaning, but for addresses.
func TestRepairNodes_Captured(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../cluster/testdata/*-conf.nodes")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		text := readString(t, file)
		before, err := parseNodesConf(text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		peers := map[cluster.NodeID]string{}
		for _, n := range before {
			peers[n.ID] = "10.9.9.9"
		}
		all, err := parseNodesConf(repairNodes(text, "10.9.9.1", peers))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		none, err := parseNodesConf(repairNodes(text, "10.9.9.1", nil))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		for i, n := range before {
			want := n
			want.Addr = cluster.Addr{IP: "10.9.9.9", Port: 6379, BusPort: 16379}
			want.Flags.NoAddr, want.Flags.Fail, want.Flags.PFail = false, false, false
			if n.Flags.Myself {
				want.Addr.IP = "10.9.9.1"
			}
			if !reflect.DeepEqual(all[i], want) {
				t.Errorf("%s: all answer:\ngot    %+v\nwanted %+v", file, all[i], want)
			}
			if !n.Flags.Myself {
				want.Addr = cluster.Addr{}
				want.Flags = n.Flags
				want.Flags.NoAddr = true
			}
			if !reflect.DeepEqual(none[i], want) {
				t.Errorf("%s: none answers:\ngot    %+v\nwanted %+v", file, none[i], want)
			}
		}
	}
}

func TestParseNodesConf_Corrupt(t *testing.T) {
	t.Parallel()
	good := idA + " 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 0-5\nvars currentEpoch 1 lastVoteEpoch 0\n"
	if _, err := parseNodesConf(good); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"cut off in a line":       good[:len(good)/2],
		"cut off before vars":     strings.SplitAfter(good, "\n")[0],
		"cut off in the vars":     good[:len(good)-2],
		"zeros, as after a crash": strings.Repeat("\x00", 512),
		"nobody is myself":        strings.Replace(good, "myself,", "", 1),
		"two are myself":          strings.Replace(good, idA, idB, 1) + good,
		"something else":          "hello\nvars currentEpoch 1\n",
	} {
		if table, err := parseNodesConf(text); err == nil {
			t.Errorf("%s: %+v", name, table)
		}
	}
}

func TestSetAside_KeepsAll(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), nodesFile)
	for i, wanted := range []string{".corrupt", ".corrupt.1", ".corrupt.2"} {
		if err := os.WriteFile(path, []byte{byte('0' + i)}, 0o600); err != nil {
			t.Fatal(err)
		}
		if aside, err := setAside(path); err != nil || aside != path+wanted {
			t.Errorf("%s, %v", aside, err)
		}
	}
	if got := readString(t, path+".corrupt"); got != "0" {
		t.Errorf("the first was overwritten: %s", got)
	}
}

// Without the repair Valkey 8.1.1 ends with "corrupted cluster config file", whichever of the two lines is first.
func TestRepairNodes_ShardOfReplica(t *testing.T) {
	t.Parallel()
	const (
		primary = idA + " :0@0,,tls-port=0,shard-id=" + idA + " master,noaddr - 0 1 1 connected 0-5\n"
		vars    = "vars currentEpoch 6 lastVoteEpoch 0\n"
	)
	replica := func(shard string) string {
		return idB + " 10.9.9.1:6379@16379,h,tls-port=0,shard-id=" + shard + " myself,slave " + idA + " 0 0 1 connected\n"
	}
	for text, wanted := range map[string]string{
		primary + replica(idC) + vars: primary + replica(idA) + vars,
		replica(idC) + primary + vars: replica(idA) + primary + vars,
		replica(idA) + primary + vars: replica(idA) + primary + vars,
	} {
		if got := repairNodes(text, "10.9.9.1", nil); got != wanted {
			t.Errorf("got\n%s\nwanted\n%s", got, wanted)
		}
	}
	unknown := replica(idC) + vars // whose primary has no line
	if got := repairNodes(unknown, "10.9.9.1", nil); got != unknown {
		t.Errorf("got\n%s", got)
	}
}
