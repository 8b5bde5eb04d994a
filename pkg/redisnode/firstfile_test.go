package redisnode

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/agent"
)

// slowFile has a server take so long for every key that it writes to a file that its first append-only file is not
// complete in any test.
const slowFile = "rdb-key-save-delay 40000\n"

// withoutFile is a shard whose replica has copied everything from its primary, has not written it to its append-only
// file yet, and has taken over from it: what is on its volume is of before that copy.
func withoutFile(t *testing.T) (w *world, pods []*testPod) {
	t.Helper()
	w = newWorld(t, onDisk)
	w.lostBound = 5 * time.Second
	pods = w.form(3, 1)
	former, copied := pods[0], pods[3]
	copied.crash()
	keepHere(t, former, "")
	w.configure(onDisk + slowFile)
	copied.startRedis()
	copied.awaitStatus("it has a copy", func(s agent.Status) bool { return s.Synced && !s.Fresh })
	w.configure(onDisk)
	former.kill()
	copied.awaitStatus("it has taken over", func(s agent.Status) bool { return s.Role == rolePrimary })
	keepsAll(t, copied)
	return w, pods
}

// TestFault29_FirstFileNotWritten kills such a primary: its volume does not win over the former primary's.
func TestFault29_FirstFileNotWritten(t *testing.T) {
	w, pods := withoutFile(t)
	former, copied := pods[0], pods[3]
	copied.kill()
	for _, p := range []*testPod{copied, former} {
		<-p.redisDone
		p.startRedis()
	}
	w.awaitWhole(pods)
	keepsAll(t, copied)
	if s := copied.status(); s.Role != roleReplica || !strings.Contains(s.Notice, "older") {
		t.Errorf("it should follow, and say why: %+v", s)
	}
}

// TestFirstFile_StopWaitsForIt stops such a primary as a kubelet does: redis passes over SIGTERM until its file is finished,
// and it is sent once.
func TestFirstFile_StopWaitsForIt(t *testing.T) {
	_, pods := withoutFile(t)
	copied := pods[3]
	t.Log(copied.remove())
	copied.mu.Lock()
	defer copied.mu.Unlock()
	if log := copied.log.String(); !strings.Contains(log, "ready to exit") {
		t.Errorf("it did not end by itself:\n%s", tail(log, 10))
	}
}

// TestFirstFile_FormerPrimaryGone does the same when nobody has the former primary's copy any more: it starts with what its
// volume has, and says so.
func TestFirstFile_FormerPrimaryGone(t *testing.T) {
	_, pods := withoutFile(t)
	former, copied := pods[0], pods[3]
	former.lose()
	copied.kill()
	<-copied.redisDone
	copied.startRedis()
	copied.awaitStatus("it serves again", func(s agent.Status) bool { return running(s) && s.Role == rolePrimary })
	if s := copied.status(); !strings.Contains(s.Notice, "older") {
		t.Errorf("it does not say that its volume is older: %+v", s)
	}
	if _, err := os.Stat(filepath.Join(copied.dataDir, "appendonlydir", "temp-appendonly.aof.incr")); err == nil {
		t.Error("its next start would take its volume for older again")
	}
}

// TestCopiedFrom_Unknown does not take a volume that cannot be looked at for one that has everything.
func TestCopiedFrom_Unknown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "appendonlydir"), nil, 0o600))
	g := &gate{opts: &Options{DataDir: dir}}
	if from, err := g.copiedFrom(onDisk); err == nil {
		t.Errorf("it was copied from %q, and its directory is none", from)
	}
}
