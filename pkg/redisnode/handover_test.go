package redisnode

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/agent"
)

// handOverGap is what a write may wait for during a hand-over: some 50 ms, and more on a machine that is busy. One that
// is left to a vote in vain stops writes for manualBound.
const handOverGap = 3 * time.Second

func TestFault24_PodDeletedGracefully(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	traffic := newTraffic(t, pods)
	traffic.run(200) // before
	start := w.clock.Now()
	result := pods[0].remove()
	t.Logf("%s; stopped after %s", result, w.clock.Since(start).Round(time.Millisecond))
	if !strings.Contains(result, "demo-3 took over") {
		t.Errorf("hand-over: %s", result)
	}
	traffic.run(200) // after
	traffic.stop()
	t.Logf("%d acknowledged writes, longest gap %s", traffic.count, traffic.gap.Round(time.Millisecond))
	if traffic.gap > handOverGap {
		t.Errorf("no write for %s", traffic.gap)
	}
	rest := pods[1:]
	for key, value := range traffic.acked {
		// The last write may have been done and not acknowledged.
		if got, err := strconv.Atoi(rest[0].client("GET", key)); err != nil || got < value {
			t.Fatalf("%s: %d, acknowledged %d: %v", key, got, value, err)
		}
	}
	if got := rest[2].status(); got.Role != rolePrimary || got.SlotsOwned != 5461 {
		t.Errorf("%+v", got)
	}
}

func TestHandOver_WithoutReplica(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 0)
	start := w.clock.Now()
	if result := pods[0].remove(); !strings.Contains(result, "no replica is in sync") {
		t.Errorf("hand-over: %s", result)
	}
	if took := w.clock.Since(start); took > handOverBound {
		t.Errorf("took %s", took)
	}
}

// Both pods of a shard are stopped at once: neither gives its role to the other, which is going too.
func TestHandOver_NotToOneThatStops(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	if got := Stop(t.Context(), pods[3].runDir); got != "nothing to hand over" {
		t.Errorf("replica: %s", got)
	}
	if got := Stop(t.Context(), pods[0].runDir); !strings.Contains(got, "no replica is in sync") {
		t.Errorf("primary: %s", got)
	}
	if s := pods[0].status(); s.Role != rolePrimary || !s.Stopping {
		t.Errorf("%+v", s)
	}
}

// traffic writes one key after the other to one shard, and notes what was acknowledged.
type traffic struct {
	t      *testing.T
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	acked map[string]int
	gap   time.Duration
	count int
}

func newTraffic(t *testing.T, pods []*testPod) *traffic {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	tr := &traffic{t: t, cancel: cancel, done: make(chan struct{}), acked: map[string]int{}}
	shard := slices.Clone([]*testPod{pods[0], pods[3]})
	go tr.loop(ctx, shard)
	t.Cleanup(tr.stop)
	return tr
}

func (tr *traffic) loop(ctx context.Context, shard []*testPod) {
	defer close(tr.done)
	clk := shard[0].w.clock
	conns := map[*testPod]*lineConn{}
	last := clk.Now()
	for i := 0; ctx.Err() == nil; i++ {
		key := fmt.Sprintf("{b}%d", i%50)
		for ctx.Err() == nil && !tr.write(ctx, conns, shard, key, strconv.Itoa(i)) {
		}
		if ctx.Err() != nil {
			return
		}
		tr.mu.Lock()
		tr.acked[key] = i
		tr.count++
		tr.gap = max(tr.gap, clk.Since(last))
		tr.mu.Unlock()
		last = clk.Now()
	}
}

// write tries each pod once.
func (tr *traffic) write(
	ctx context.Context, conns map[*testPod]*lineConn, shard []*testPod, key, value string,
) bool {
	for _, p := range shard {
		conn := conns[p]
		if conn == nil {
			var err error
			if conn, err = dialLine(ctx, p); err != nil {
				continue
			}
			conns[p] = conn
		}
		reply, err := conn.do("SET", key, value)
		if err != nil {
			conn.close()
			delete(conns, p)
			continue
		}
		if reply == "+OK" {
			return true
		}
	}
	return false
}

// run lets n writes happen.
func (tr *traffic) run(n int) {
	tr.t.Helper()
	first := -1
	eventually(tr.t, "writes go on", func() (bool, string) {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		if first < 0 {
			first = tr.count
		}
		return tr.count >= first+n, fmt.Sprint(tr.count)
	})
}

func (tr *traffic) stop() {
	tr.cancel()
	<-tr.done
}

// TestStop_WhileItWritesItsFirstFile stops the pod of a replica that has just been copied to: Redis passes over SIGTERM
// while it writes its first append-only file, and the pod would be there until the end of its grace period.
func TestStop_WhileItWritesItsFirstFile(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	keep(t, pods[0])
	replica := pods[3]
	replica.crash()
	replica.loseData()
	w.configure(onDisk + "rdb-key-save-delay 1000000\n") // its file would take minutes
	replica.startRedis()
	replica.awaitStatus("is in sync", func(s agent.Status) bool { return s.LinkUp })
	if got := replica.operator("INFO", "persistence"); !strings.Contains(got, "aof_rewrite_in_progress:1") {
		t.Fatalf("it does not write a file: %s", got)
	}
	start := w.clock.Now()
	replica.remove()
	if took := w.clock.Since(start); took >= graceBound {
		t.Errorf("stopped after %s, by force", took)
	}
	keepsAll(t, pods[0])
}

// A primary with slots on their way to another lets whoever moves them do nothing more, which asks it by a script before
// each change of hands, for as long as what it did before may be under way. Then its replica takes over.
func TestHandOver_SlotsOnTheirWay(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	setSlot(t, pods[0], "7", "MIGRATING", pods[1].status().NodeID)
	mover := pods[0].dial()
	stopped := make(chan string, 1)
	go func() { stopped <- Stop(t.Context(), pods[0].runDir) }()
	var let []time.Time // when a script was let through
	for result := ""; result == ""; {
		select {
		case result = <-stopped:
			if !strings.Contains(result, "demo-3 took over") {
				t.Fatalf("hand-over: %s", result)
			}
		default:
			asked := time.Now()                        // it is let through after that, and may be told late
			if mover("EVAL", amPrimary, "0") == ":1" { // one that is a replica lets nobody believe in it
				let = append(let, asked)
			}
		}
	}
	taken := pods[3].status().LastTakeOver
	if taken == nil || len(let) == 0 {
		t.Fatalf("%+v, %d scripts", taken, len(let))
	}
	for _, at := range let {
		if before := taken.At.Sub(at); before > 0 && before < inFlight {
			t.Errorf("a slot may have changed hands %s before the replica took over, and not %s", before, inFlight)
		}
	}
}

// amPrimary may write, for all that redis knows.
const amPrimary = `return string.find(redis.call('INFO', 'replication'), 'role:master') and 1 or 0`

// dial connects to the pod's redis as the operator. What it gives sends a command and waits for its line.
func (p *testPod) dial() (ask func(words ...string) string) {
	p.w.t.Helper()
	ep := p.endpoint()
	conn, err := net.Dial(cmp.Or(ep.Network, "tcp"), ep.Addr)
	must(p.w.t, err)
	p.w.t.Cleanup(func() { _ = conn.Close() })
	lines := bufio.NewReader(conn)
	ask = func(words ...string) string {
		p.w.t.Helper()
		_, err := fmt.Fprintf(conn, "*%d\r\n", len(words))
		must(p.w.t, err)
		for _, word := range words {
			_, err = fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(word), word)
			must(p.w.t, err)
		}
		said, err := lines.ReadString('\n')
		must(p.w.t, err)
		if said[0] == '-' {
			p.w.t.Fatalf("%s: %s", words[0], said)
		}
		return strings.TrimSpace(said)
	}
	ask("AUTH", agent.UserOperator, canary+fileOperator)
	return ask
}
