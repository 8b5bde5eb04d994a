package redisnode

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// cutLink has the kernel drop whatever arrives on the connection that the pod's redis has to its primary: it is open at
// both ends, and dead, as after a partition. One that is made later works.
func (p *testPod) cutLink(to *testPod) {
	p.w.t.Helper()
	to.client("SET", "{b}before", "1") // nothing has been silent until now
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil {
		p.w.t.Fatalf("%s has no redis", p.name)
	}
	pid := p.process.Pid
	process, err := unix.PidfdOpen(pid, 0)
	must(p.w.t, err)
	defer func() { _ = unix.Close(process) }()
	names, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	must(p.w.t, err)
	cut := 0
	for _, name := range names {
		if target, err := os.Readlink(name); err != nil || !strings.HasPrefix(target, "socket:") {
			continue
		}
		number, err := strconv.Atoi(filepath.Base(name))
		must(p.w.t, err)
		fd, err := unix.PidfdGetfd(process, number, 0)
		must(p.w.t, err)
		if leadsTo(fd, to.ip) {
			nothing := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
			must(p.w.t, unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
				&unix.SockFprog{Len: 1, Filter: &nothing}))
			cut++
		}
		must(p.w.t, unix.Close(fd))
	}
	if cut != 1 {
		p.w.t.Fatalf("%s has %d connections to %s:%d, and should have its link", p.name, cut, to.ip, agent.RedisPort)
	}
}

// leadsTo says whether a socket is connected to the port of redis at an address.
func leadsTo(fd int, ip string) bool {
	address, err := unix.Getpeername(fd)
	inet, ok := address.(*unix.SockaddrInet4)
	return err == nil && ok && inet.Port == agent.RedisPort &&
		ip == fmt.Sprintf("%d.%d.%d.%d", inet.Addr[0], inet.Addr[1], inet.Addr[2], inet.Addr[3])
}

// TestCrash_CutReplica kills the redis of a primary whose replica has heard nothing of it for seconds, and calls its link
// up all the same: what it lacks is in the primary's own append-only file.
func TestCrash_CutReplica(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	replica := pods[3]
	replica.cutLink(pods[0])
	keepHere(t, pods[0], "")
	must(t, pause(t.Context(), w.clock, 2*behindAfter)) // the time itself is what is tested: who lacks more than that is behind
	if s := replica.status(); s.ReplOffset >= pods[0].status().ReplOffset || !s.Synced {
		t.Fatalf("the replica should lack something, and call itself in sync: %+v", s)
	}
	pods[0].kill()
	<-pods[0].redisDone
	pods[0].startRedis()
	w.awaitWhole(pods)
	keepsAll(t, pods[0])
}

// TestHandOver_NotToACutReplica stops the pod of a primary whose replica gets nothing of it any more: clients are not
// held for what does not come.
func TestHandOver_NotToACutReplica(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	pods[3].operator("CONFIG", "SET", "masterauth", "wrong") // for when it tries again
	pods[3].cutLink(pods[0])
	keepHere(t, pods[0], "")
	if err := pods[0].giveTo(pods[3]); err == nil { // as the operator does
		t.Error("the replica has taken over")
	}
	t.Log(Stop(t.Context(), pods[0].runDir))
	if s := pods[0].status(); s.Role != rolePrimary {
		t.Errorf("it gave its role away: %+v", s)
	}
	if did := pods[0].operator("INFO", "commandstats"); strings.Contains(did, "client|pause") {
		t.Error("writers were held for a copy that did not come")
	}
}

// TestHandOver_WaitsForACutReplica is the same with one that gets through when it tries again: it takes over.
func TestHandOver_WaitsForACutReplica(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	pods[3].cutLink(pods[0])
	traffic := newTraffic(t, pods)
	traffic.run(100)
	result := pods[0].remove()
	traffic.run(200)
	traffic.stop()
	if !strings.Contains(result, "demo-3 took over") || traffic.gap > handOverGap {
		t.Errorf("hand-over: %s; no write for %s", result, traffic.gap)
	}
}

// redisFindsOut is when redis itself gives a silent link up (repl-timeout).
const redisFindsOut = time.Minute

// TestFault44_LinkThatIsDead has a replica find out by itself that nothing comes over its link any more, long before Redis
// would, and ask for what it lacks.
func TestFault44_LinkThatIsDead(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	replica := pods[3]
	replica.cutLink(pods[0])
	keepHere(t, pods[0], "")
	has, copies := pods[0].status().ReplOffset, pods[0].info().FullSyncs
	if s := replica.status(); s.ReplOffset >= has {
		t.Fatalf("the link was not cut: %+v", s)
	}
	start := w.clock.Now()
	replica.awaitStatus("has what was written", func(s agent.Status) bool { return s.LinkUp && s.ReplOffset >= has })
	took := w.clock.Since(start)
	t.Logf("after %s", took.Round(time.Millisecond))
	if took > redisFindsOut/2 {
		t.Errorf("after %s; redis would take %s", took, redisFindsOut)
	}
	if again := pods[0].info().FullSyncs; again != copies {
		t.Errorf("it was copied to anew: %d copies, and %d before", again, copies)
	}
}

// TestBehind tells a link that is dead from one of a primary that has nothing to say, or that is not reached.
func TestBehind(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*cluster.NodeInfo, *agent.Status)
		behind bool
	}{
		"more is there":               {func(*cluster.NodeInfo, *agent.Status) {}, true},
		"nothing was written":         {func(_ *cluster.NodeInfo, s *agent.Status) { s.ReplOffset = 70 }, false},
		"it has just come":            {func(i *cluster.NodeInfo, _ *agent.Status) { i.ReplOffset = 80 }, false},
		"something comes":             {func(i *cluster.NodeInfo, _ *agent.Status) { i.LinkSilent = time.Second }, false},
		"the link is down":            {func(i *cluster.NodeInfo, _ *agent.Status) { i.LinkUp = false }, false},
		"the primary is none by now":  {func(_ *cluster.NodeInfo, s *agent.Status) { s.Role = roleReplica }, false},
		"it follows another by now":   {func(_ *cluster.NodeInfo, s *agent.Status) { s.NodeID = idC }, false},
		"it counts in another stream": {func(_ *cluster.NodeInfo, s *agent.Status) { s.Stream = &agent.Stream{ID: "y"} }, false},
		"its redis does not answer":   {func(_ *cluster.NodeInfo, s *agent.Status) { s.Stream = nil }, false},
	} {
		info := &cluster.NodeInfo{
			Table: shard(t), LinkUp: true, LinkSilent: silentLink, ReplOffset: 70, Stream: cluster.Stream{ID: "x"},
		}
		for i := range info.Table {
			info.Table[i].Flags.Myself = info.Table[i].ID == idB
		}
		said := agent.Status{NodeID: idA, Role: rolePrimary, ReplOffset: 80, Stream: &agent.Stream{ID: "x"}}
		c.change(info, &said)
		if got := behind(snapshot{info: info}, said); got != c.behind {
			t.Errorf("%s: %v", name, got)
		}
	}
}
