package redisnode

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// All pods are gone at once and nothing was on disk: everybody comes back as who he was, empty, and says so.
func TestFault26_AllPodsDeletedAtOnceWithoutPersistence(t *testing.T) {
	w := newWorld(t, inMemory)
	pods := w.form(3, 1)
	fill(t, pods, 300)
	ids, volumes := map[string]string{}, []string{}
	for _, p := range pods {
		ids[p.name] = p.status().NodeID
		volumes = append(volumes, p.dataDir)
	}
	each(pods, (*testPod).lose)
	for i := range pods {
		pods[i] = w.place(i, volumes[i])
	}
	w.awaitWhole(pods)
	for i, p := range pods {
		s := p.status()
		if s.NodeID != ids[p.name] {
			t.Errorf("%s came back as %s, was %s", p.name, s.NodeID, ids[p.name])
		}
		if lost := s.DataLost != ""; lost != (i < 3) || (s.SlotsOwned > 0) != (i < 3) {
			t.Errorf("%+v", s)
		}
	}
}

// A pod that lost its volume is another node: it joins without slots and without a role, and the operator gives it one.
func TestFault28_LostVolume(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	keep(t, pods[0])
	old := pods[0].status().NodeID
	pods[0].remove()
	fresh := w.create(0)
	s := fresh.awaitStatus("has joined", func(s agent.Status) bool { return s.Formed && s.Peers >= 5 })
	if s.NodeID == old || s.Role != rolePrimary || s.SlotsOwned > 0 {
		t.Errorf("%+v", s)
	}
	if s := pods[3].status(); s.SlotsOwned != 5461 {
		t.Errorf("the shard is now with %+v", s)
	}
	keepsAll(t, pods[3])
}

// A volume that was restored from a snapshot does not win over a newer copy: neither over one that is in charge, nor over
// a replica that is down as well and has the newer data on its own volume.
func TestFault29_VolumeFromOldSnapshot(t *testing.T) {
	for name, all := range map[string]bool{"the others run": false, "all are down": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, onDisk)
			w.markInterval = 100 * time.Millisecond
			pods := w.form(3, 1)
			fill(t, pods, 300)
			snapshot, mark := filepath.Join(t.TempDir(), "snapshot"), int64(0)
			eventually(t, "it is marked", func() (bool, string) {
				mark = pods[0].status().Mark
				must(t, os.RemoveAll(snapshot))
				must(t, os.CopyFS(snapshot, os.DirFS(pods[0].dataDir)))
				return mark > 0 && pods[0].status().Mark == mark, ""
			})
			keep(t, pods[0])
			pods[3].awaitStatus("has a newer copy", func(s agent.Status) bool { return s.CopyMark > mark })
			old, volumes := pods, []string{}
			for _, p := range pods {
				volumes = append(volumes, p.dataDir)
			}
			volumes[0] = snapshot
			if all {
				pods = nil
				each(old, (*testPod).lose)
				for i, volume := range volumes {
					pods = append(pods, w.place(i, volume))
				}
			} else {
				pods[0].remove()
				pods[0] = w.place(0, snapshot)
			}
			w.awaitWhole(pods)
			if s := pods[3].status(); s.Role != rolePrimary || s.SlotsOwned != 5461 {
				t.Errorf("the newer copy: %+v", s)
			}
			keepsAll(t, pods[3])
			verify(t, pods, 300)
		})
	}
}

// A volume that redis could not write its nodes.conf to keeps the gate shut, and that is said. It is no crash loop, and
// the pod is alive.
func TestFault39_NodesConfCannotBeWritten(t *testing.T) {
	for name, spoil := range map[string]func(dir string) (repair func() error, err error){
		"the volume": func(dir string) (func() error, error) {
			return func() error { return os.Rename(dir+".away", dir) }, os.Rename(dir, dir+".away")
		},
		"the file": func(dir string) (func() error, error) {
			path := filepath.Join(dir, nodesFile)
			repair := func() error {
				if err := os.Remove(path); err != nil {
					return err
				}
				return os.Rename(path+".away", path)
			}
			if err := os.Rename(path, path+".away"); err != nil {
				return nil, err
			}
			return repair, os.Mkdir(path, 0o700)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, onDisk)
			pods := w.form(3, 1)
			p := pods[3]
			id := p.status().NodeID
			p.crash()
			repair, err := spoil(p.dataDir)
			must(t, err)
			p.startRedis()
			p.awaitStatus("waits", func(s agent.Status) bool {
				return s.Phase == agent.PhaseGate &&
					(strings.Contains(s.Waiting, "cannot be written to") || strings.Contains(s.Waiting, "read nodes.conf"))
			})
			if got := p.probe("live"); got != "ok" {
				t.Errorf("live: %s", got)
			}
			must(t, repair())
			p.awaitStatus("follows again", func(s agent.Status) bool { return synced(s) && s.NodeID == id })
		})
	}
}

// However long redis loads or is busy, or the gate waits, the pod is alive.
func TestFault41_LoadingAndBusyAreAlive(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		liveness redis.Liveness
		gate     gateState
		live     bool
	}{
		"loading":          {liveness: redis.Loading, gate: gateState{openedAt: start}, live: true},
		"busy":             {liveness: redis.Busy, gate: gateState{openedAt: start}, live: true},
		"held at the gate": {gate: gateState{holding: true}, live: true},
		"silent":           {gate: gateState{openedAt: start}},
	} {
		clock := clocktesting.NewFakeClock(start.Add(3 * time.Hour))
		a := &Agent{opts: Options{Clock: clock}, startedAt: start}
		a.node = &monitor{clock: clock, last: snapshot{at: clock.Now(), liveness: test.liveness}, aliveAt: start}
		a.gate = &gate{holding: test.gate.holding, openedAt: test.gate.openedAt}
		if got := a.live(); got != test.live {
			t.Errorf("%s for three hours: %v", name, got)
		}
	}
}

// A redis that runs a script for long answers nobody: its pod lives, and no replica takes its place.
func TestFault41_BusyPrimaryIsNotReplaced(t *testing.T) {
	w := newWorld(t, onDisk+"busy-reply-threshold 50\n")
	pods := w.form(3, 1)
	done := make(chan string, 1)
	go func() { done <- pods[0].client("EVAL", "while true do end", "1", "{b}x") }()
	eventually(t, "it is busy", func() (bool, string) {
		said := pods[0].client("GET", "{b}x")
		return strings.Contains(said, "BUSY"), said
	})
	busySince := w.clock.Now()
	eventually(t, "it stays alive and in charge", func() (bool, string) {
		if got := pods[0].probe("live"); got != "ok" {
			t.Fatalf("live: %s", got)
		}
		if s := pods[3].status(); s.Role != roleReplica {
			t.Fatalf("%+v", s)
		}
		return w.clock.Since(busySince) > 3*time.Second, ""
	})
	pods[0].client("SCRIPT", "KILL")
	<-done
	w.awaitWhole(pods)
}

// A primary that is only silent, as one that nobody reaches, is not replaced by an agent: that is no proof of its death.
func TestFault45_SilenceIsNoProof(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	pods[0].stall()
	since := w.clock.Now()
	eventually(t, "nobody takes over", func() (bool, string) {
		if s := pods[3].status(); s.Role != roleReplica || s.LastTakeOver != nil {
			t.Fatalf("%+v", s)
		}
		return w.clock.Since(since) > 4*time.Second, ""
	})
	pods[0].resume()
	w.awaitWhole(pods)
	if s := pods[0].status(); s.SlotsOwned != 5461 {
		t.Errorf("%+v", s)
	}
}

// A record that cannot be read may have held a fence: it holds, is seen, and a person or the operator lifts it.
func TestFence_RecordThatCannotBeRead(t *testing.T) {
	for name, lift := range map[string]func(*testing.T, *testPod){
		"by hand": func(t *testing.T, p *testPod) {
			t.Helper()
			if got, err := LiftFence(t.Context(), p.runDir); err != nil || got != "not fenced any more" {
				t.Errorf("%q, %v", got, err)
			}
		},
		"by the operator": func(t *testing.T, p *testPod) {
			t.Helper()
			must(t, p.w.agents.Unfence(t.Context(), p.ip, agent.FenceRequest{Order: p.order(1)}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, onDisk)
			p := w.create(0)
			id := p.awaitStatus("running", running).NodeID
			p.crash()
			must(t, os.WriteFile(filepath.Join(p.dataDir, stateFile), []byte(`{"fen`), 0o600))
			p.restartAgent()
			p.startRedis()
			for range 2 {
				p.awaitStatus("fenced", func(s agent.Status) bool {
					return s.Phase == agent.PhaseFenced && strings.Contains(s.Waiting, "may have held a fence")
				})
				p.restartAgent() // it holds, although the file is a new one now
			}
			p.awaitStatus("fenced", func(s agent.Status) bool { return s.Phase == agent.PhaseFenced && s.Waiting != "" })
			lift(t, p)
			p.awaitStatus("runs", func(s agent.Status) bool { return running(s) && s.NodeID == id && s.Notice == "" })
		})
	}
}

// A primary whose process dies starts again when that is asked for, and nobody takes over. The agent hears of it while
// it runs: the ConfigMap is projected.
func TestCrash_Restart(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	keep(t, pods[0])
	w.configure(onDisk + crashRestart + "\n")
	pods[0].crash()
	pods[0].startRedis()
	pods[0].awaitStatus("it is the primary", func(s agent.Status) bool { return running(s) && s.SlotsOwned == 5461 })
	w.awaitWhole(pods)
	if s := pods[3].status(); s.Role != roleReplica || s.LastTakeOver != nil {
		t.Errorf("%+v", s)
	}
	keepsAll(t, pods[0])
	w.configure(onDisk)
	pods[0].crash()
	pods[3].awaitStatus("takes over again", func(s agent.Status) bool { return s.Role == rolePrimary && s.SlotsOwned == 5461 })
}

// Without data on disk there is nothing to start again with: the replica takes over all the same.
func TestCrash_RestartWithoutData(t *testing.T) {
	w := newWorld(t, inMemory+crashRestart+"\n")
	pods := w.form(3, 1)
	fill(t, pods, 300)
	awaitCopies(t, pods)
	pods[0].crash()
	s := pods[3].awaitStatus("takes over", func(s agent.Status) bool { return s.LastTakeOver != nil && s.SlotsOwned == 5461 })
	if s.LastTakeOver.Mode != agent.PromoteTakeover {
		t.Errorf("%+v", s.LastTakeOver)
	}
	pods[0].startRedis()
	w.awaitWhole(pods)
	verify(t, pods, 300)
}
