package redisnode

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// remembers waits until the agents know what the append-only files of their nodes are worth.
func remembers(t *testing.T, pods []*testPod, worth cluster.AppendOnly) {
	t.Helper()
	eventually(t, fmt.Sprintf("every agent remembers %q", worth), func() (bool, string) {
		for _, p := range pods {
			if record := readString(t, p.dataDir+"/"+stateFile); !strings.Contains(record, `"appendOnly":"`+string(worth)+`"`) {
				return false, p.name + ": " + record
			}
		}
		return true, ""
	})
}

// Appendonly is turned off, a key is written, and all pods stop, within the second that passes between two looks. They come
// back with appendonly on: the key is there.
func TestAppendOnly_TurnedOffRightBeforeTheStop(t *testing.T) {
	w := newWorld(t, onDisk+"save 3600 1\n")
	pods := w.form(3, 1)
	fill(t, pods, 300)
	remembers(t, pods, cluster.AppendOnlyOn)
	for _, p := range pods {
		must(t, w.redis.ConfigSet(t.Context(), p.endpoint(), []redis.Setting{{Name: "appendonly", Value: "no"}}))
	}
	if set := pods[0].client("SET", "key-0", "last"); strings.TrimSpace(set) != "OK" {
		t.Fatal(set)
	}
	each(pods, func(p *testPod) { p.remove() })
	for i, p := range pods {
		pods[i] = w.place(i, p.dataDir)
	}
	w.awaitWhole(pods)
	if kept := pods[0].client("GET", "key-0"); strings.TrimSpace(kept) != "last" {
		t.Errorf("what was written last is lost: %q", kept)
	}
}

func crashAll(pods []*testPod) {
	each(pods, func(p *testPod) { p.crash() })
}

func (w *world) startAll(pods []*testPod) {
	for _, p := range pods {
		p.startRedis()
	}
	w.awaitWhole(pods)
}

// adopt makes the volume of a pod that does not run one that a deleted cluster has left.
func (p *testPod) adopt() {
	p.w.t.Helper()
	p.stopAgent()
	must(p.w.t, <-p.agentDone)
	path := p.dataDir + "/" + stateFile
	former := strings.ReplaceAll(readString(p.w.t, path), worldUID, "of-before")
	must(p.w.t, os.WriteFile(path, []byte(former), 0o600))
	p.startAgent()
}

// All nodes die while appendonly is turned off: there is no snapshot, and they start with the files that they have. Turned
// off at nodes that run, and on again while they are down, files of before are not started with. With one of the two
// servers it is another cluster that has taken the volumes over.
func TestAppendOnly_TurnedOffAndOnWhileDown(t *testing.T) {
	for version, adopted := range map[string]bool{"redis 7.0": false, "valkey 9": true} {
		t.Run(version, func(t *testing.T) {
			useEngine(t, version)
			w := newWorld(t, onDisk)
			pods := w.form(3, 0)
			fill(t, pods, 300)
			remembers(t, pods, cluster.AppendOnlyOn)
			crashAll(pods)
			w.configure(bySnapshot)
			w.startAll(pods)
			verify(t, pods, 300)

			for _, p := range pods { // as the operator does
				eventually(t, p.name+" has a snapshot", func() (bool, string) {
					done, err := w.redis.Snapshot(t.Context(), p.endpoint())
					return done, fmt.Sprint(err)
				})
				must(t, w.redis.ConfigSet(t.Context(), p.endpoint(), []redis.Setting{{Name: "appendonly", Value: "no"}}))
			}
			remembers(t, pods, cluster.AppendOnlyOff)
			if deleted := pods[0].client("DEL", "key-0"); !strings.HasPrefix(deleted, "1") {
				t.Fatal(deleted)
			}
			for _, p := range pods {
				if saved := p.operator("SAVE"); saved != "OK" {
					t.Fatal(saved)
				}
			}
			crashAll(pods)
			w.configure(onDisk)
			for _, p := range pods {
				if adopted {
					p.adopt()
				}
			}
			w.startAll(pods)
			if back := pods[0].client("GET", "key-0"); strings.TrimSpace(back) != "" {
				t.Errorf("a key that was deleted is back: %q", back)
			}
			if kept := pods[0].client("GET", "key-1"); strings.TrimSpace(kept) != "1" {
				t.Errorf("a key is lost: %q", kept)
			}
		})
	}
}
