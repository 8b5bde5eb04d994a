package redisnode

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// bySnapshot keeps what is there at the end, when redis is asked to stop.
const bySnapshot = common + "appendonly no\nsave 3600 1\n"

// All nodes are down while appendonly is turned on: redis would pass over the snapshots that they have and begin with
// empty append-only files. They load them, and lose nothing when appendonly is turned on at the nodes that run, also not
// when they die then.
func TestSnapshot_AppendOnlyTurnedOnWhileDown(t *testing.T) {
	for _, version := range []string{"redis 7.0", "redis 8.6", "valkey 9"} {
		t.Run(version, func(t *testing.T) {
			useEngine(t, version)
			w := newWorld(t, bySnapshot)
			pods := w.form(3, 0)
			fill(t, pods, 300)
			each(pods, func(p *testPod) {
				p.stopAgent()
				must(t, <-p.agentDone)
				p.signal(syscall.SIGTERM)
				<-p.redisDone
			})
			w.configure(common + "appendonly yes\nappendfsync always\nsave \"\"\n")
			for _, p := range pods {
				p.startAgent()
				p.startRedis()
			}
			w.awaitWhole(pods)
			verify(t, pods, 300)
			for _, p := range pods {
				if s := p.status(); s.DataLost != "" {
					t.Errorf("%+v", s)
				}
				p.appendOnly()
				p.crash()
				p.startRedis()
			}
			w.awaitWhole(pods)
			verify(t, pods, 300)
			if live, err := w.redis.ConfigGet(t.Context(), pods[0].endpoint(), "appendonly"); err != nil || live["appendonly"] != "yes" {
				t.Errorf("started with its append-only file as %v, %v", live, err)
			}
		})
	}
}

// appendOnly turns appendonly on, as the operator does when the spec asks for it, and waits for the first file.
func (p *testPod) appendOnly() {
	p.w.t.Helper()
	must(p.w.t, p.w.redis.ConfigSet(p.w.t.Context(), p.endpoint(), []redis.Setting{{Name: "appendonly", Value: "yes"}}))
	conf := readString(p.w.t, filepath.Join(p.w.config, confFile))
	eventually(p.w.t, p.name+" has an append-only file", func() (bool, string) {
		manifest, err := os.ReadFile(filepath.Join(p.dataDir, "appendonlydir", "appendonly.aof.manifest"))
		return err == nil && hasAppended(conf, p.dataDir), fmt.Sprint(string(manifest), err)
	})
}

// A replica that runs has what a primary lacks that would load an old snapshot: it takes over.
func TestSnapshot_YieldsToACopy(t *testing.T) {
	w := newWorld(t, bySnapshot+crashRestart+"\n")
	pods := w.form(3, 1)
	fill(t, pods, 100)
	must(t, w.redis.ConfigSet(t.Context(), pods[0].endpoint(), []redis.Setting{{Name: "save", Value: ""}}))
	if got := pods[0].operator("BGSAVE"); got == "" {
		t.Fatal(got)
	}
	eventually(t, "it has a snapshot", func() (bool, string) { return hasSnapshot(bySnapshot, pods[0].dataDir), "" })
	fill(t, pods, 300)
	awaitCopies(t, pods)
	w.configure(onDisk + crashRestart + "\n")
	pods[0].crash()
	pods[0].startRedis()
	pods[0].awaitStatus("follows", func(s agent.Status) bool { return s.Role == roleReplica && s.LinkUp })
	w.awaitWhole(pods)
	verify(t, pods, 300)
}
