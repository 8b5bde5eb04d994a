package redisnode

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// keepNothing turns all persistence off at nodes that have written snapshots, as the operator does, and waits until
// their agents know what those are worth.
func (w *world) keepNothing(pods []*testPod, conf string) {
	w.t.Helper()
	for _, p := range pods {
		if saved := p.operator("SAVE"); saved != "OK" {
			w.t.Fatal(saved)
		}
		must(w.t, w.redis.ConfigSet(w.t.Context(), p.endpoint(), []redis.Setting{{Name: "save", Value: ""}}))
	}
	w.configure(conf)
	for _, p := range pods {
		eventually(w.t, p.name+" knows that its snapshot is stale", func() (bool, string) {
			record := readString(w.t, p.dataDir+"/"+stateFile)
			return strings.Contains(record, `"staleSnapshot"`), record
		})
	}
}

// Nodes that keep nothing any more die all at once: what is lost is said, and keys of before are not back as if they
// were of today. Also not when snapshots are made again by then.
func TestStale_SnapshotOfBefore(t *testing.T) {
	for name, conf := range map[string]string{"none": inMemory, "snapshots again": bySnapshot} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, bySnapshot)
			pods := w.form(3, 0)
			fill(t, pods, 100)
			w.keepNothing(pods, inMemory)
			crashAll(pods)
			w.configure(conf)
			w.startAll(pods)
			for _, p := range pods {
				s := p.awaitStatus("says what it has lost", func(s agent.Status) bool { return s.DataLost != "" })
				if keys := p.operator("DBSIZE"); keys != "0" || !strings.Contains(s.Notice, "dump.rdb.stale") {
					t.Errorf("%s: %s keys are back: %+v", p.name, keys, s)
				}
			}
		})
	}
}

// Snapshots are made again at nodes that run, and the ConfigMap does not say so yet: one that is made then is none of before.
func TestStale_SnapshotOfToday(t *testing.T) {
	w := newWorld(t, inMemory)
	pods := w.form(3, 0)
	fill(t, pods, 100)
	for _, p := range pods {
		must(t, w.redis.ConfigSet(t.Context(), p.endpoint(), []redis.Setting{{Name: "save", Value: "3600 1"}}))
		if saved := p.operator("SAVE"); saved != "OK" {
			t.Fatal(saved)
		}
	}
	eventually(t, "agents have looked at snapshots that are not of just now", func() (bool, string) {
		info, err := os.Stat(pods[2].dataDir + "/dump.rdb")
		return err == nil && w.clock.Since(info.ModTime()) > staleAge+2*lookInterval, fmt.Sprint(err)
	})
	crashAll(pods)
	w.configure(bySnapshot)
	w.startAll(pods)
	verify(t, pods, 100)
}

// A replica that runs has what a snapshot of before has not, also where a primary is to start again by itself.
func TestStale_YieldsToACopy(t *testing.T) {
	w := newWorld(t, bySnapshot+crashRestart+"\n")
	pods := w.form(3, 1)
	fill(t, pods, 100)
	w.keepNothing(pods[:1], inMemory+crashRestart+"\n")
	fill(t, pods, 300)
	awaitCopies(t, pods)
	pods[0].crash()
	pods[0].startRedis()
	pods[0].awaitStatus("follows", func(s agent.Status) bool { return s.Role == roleReplica && s.LinkUp })
	w.awaitWhole(pods)
	verify(t, pods, 300)
}

func TestKeepsNothing(t *testing.T) {
	t.Parallel()
	for conf, want := range map[string]bool{
		"":                              false,
		"save \"\"\n":                   true,
		"save ''\nappendonly no\n":      true,
		"save \"\"\nappendonly yes\n":   false,
		"save 3600 1\n":                 false,
		"save \"\"\nsave 3600 1 60 2\n": false,
		"save 3600 1\nSAVE \"\"\n":      true,
	} {
		if got := keepsNothing(conf); got != want {
			t.Errorf("%q: %v", conf, got)
		}
	}
}
