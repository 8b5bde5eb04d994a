//go:build bench

package bench

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

// probeEnv holds the orders of a process that is the probe.
const probeEnv = "BENCH_PROBE"

// orders are what the probe is to do.
type orders struct {
	Addrs []string // of the primaries
	Data  dataset
	Rate  int // requests a second
}

// latencies are what a window of the probe's requests came to: those that were due in it, each measured from when it
// was due.
type latencies struct {
	Requests      int
	Took          []time.Duration // each, in order of length
	P50, P99, Max time.Duration
	Errors        int
	FirstError    string
	Redirects     int
}

// probe is the process, as the tests see it.
type probe struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startProbe starts the client. It asks at its pace from now on, until stop.
func startProbe(t *testing.T, o orders) *probe {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	p := &probe{cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), probeEnv+"="+string(text))
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.cut(t) // it has connected
	return p
}

// cut ends a window and begins the next.
func (p *probe) cut(t *testing.T) latencies {
	t.Helper()
	if _, err := io.WriteString(p.in, "cut\n"); err != nil {
		t.Fatalf("the probe has ended: %v", err)
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("the probe has ended: %v", err)
	}
	var l latencies
	if err := json.Unmarshal(line, &l); err != nil {
		t.Fatalf("the probe says %q: %v", line, err)
	}
	return l
}

func (p *probe) stop(t *testing.T) {
	t.Helper()
	_ = p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the probe: %v", err)
	}
}

// probeMain is the process.
func probeMain(text string) int {
	var o orders
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		err = runProbe(context.Background(), o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		return 1
	}
	return 0
}

// client asks at a steady pace, whatever becomes of what it asked before. A server that sends it elsewhere for good has
// it ask that one who owns what by now, as clients of Redis Cluster do, at most once in refreshEvery.
type client struct {
	orders
	lanes  map[string]*lane
	owners [cluster.SlotCount]atomic.Pointer[lane]
	window atomic.Pointer[window]
	stale  chan string // who knows better
	failed chan error
}

// refreshEvery is what go-redis waits between two looks at the map of slots.
const refreshEvery = 200 * time.Millisecond

// lane is the connection to one server, and what was asked on it that has no answer yet.
type lane struct {
	wire    *wire
	mu      sync.Mutex
	pending []*call
}

// call is a request under way; nil stands for an ASKING.
type call struct {
	request
	due    time.Time
	window *window
	hops   int
}

// window is the requests that were due in a time.
type window struct {
	mu         sync.Mutex
	open       int // have no answer yet
	took       []time.Duration
	errors     int
	firstError string
	redirects  int
}

// mostHops ends a ring of redirects.
const mostHops = 64

func runProbe(ctx context.Context, o orders) error {
	c := &client{orders: o, lanes: map[string]*lane{}, stale: make(chan string, 1), failed: make(chan error, 2*len(o.Addrs)+2)}
	c.window.Store(&window{})
	for _, addr := range o.Addrs {
		w, err := dialWire(ctx, addr)
		if err != nil {
			return err
		}
		c.lanes[addr] = &lane{wire: w}
	}
	if err := c.learn(ctx); err != nil {
		return err
	}
	for _, l := range c.lanes {
		go func() { c.failed <- c.listen(l) }()
	}
	go func() { c.failed <- c.refresh(ctx) }()
	go c.pace(time.Now())
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		l, err := c.cut()
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(l); err != nil {
			return err
		}
	}
	return nil // the end of the input is the end of the probe
}

// learn asks each server which slots it has.
func (c *client) learn(ctx context.Context) error {
	clients := redis.NewClients(redis.Dialer{})
	defer clients.Close()
	for addr, l := range c.lanes {
		node, err := clients.Observe(ctx, redis.Endpoint{Addr: addr})
		if err != nil {
			return err
		}
		for slot := range node.Self().Slots.All() {
			c.owners[slot].Store(l)
		}
	}
	for slot := range c.owners {
		if c.owners[slot].Load() == nil {
			return fmt.Errorf("slot %d has no owner", slot)
		}
	}
	return nil
}

// refresh learns who owns what from whoever is said to know.
func (c *client) refresh(ctx context.Context) error {
	wires := map[string]*wire{}
	for addr := range c.stale {
		w := wires[addr]
		if w == nil {
			var err error
			if w, err = dialWire(ctx, addr); err != nil {
				return err
			}
			wires[addr] = w
		}
		w.send("CLUSTER", "NODES")
		if err := w.flush(); err != nil {
			return err
		}
		a, err := w.read()
		if err != nil {
			return err
		}
		table, err := cluster.ParseNodes(a.text)
		if err != nil {
			return err
		}
		for i := range table {
			at := c.lanes[net.JoinHostPort(table[i].Addr.IP, strconv.Itoa(table[i].Addr.Port))]
			for slot := range table[i].Slots.All() {
				c.owners[slot].Store(at)
			}
		}
		time.Sleep(refreshEvery)
	}
	return nil
}

// pace sends each request when it is due, and those that it is late for at once. It sleeps in a thread of its own:
// the timers of Go's runtime are a millisecond late, which would hide what is to be measured.
func (c *client) pace(start time.Time) {
	runtime.LockOSThread()
	random := rand.New(rand.NewPCG(1, 2))
	interval := time.Second / time.Duration(c.Rate)
	for n := 0; ; n++ {
		due := start.Add(time.Duration(n) * interval)
		for wait := time.Until(due); wait > 0; wait = time.Until(due) {
			left := syscall.NsecToTimespec(int64(wait))
			_ = syscall.Nanosleep(&left, nil) // cut short by a signal: the loop sees to it
		}
		k := &call{request: c.Data.any(random), due: due, window: c.window.Load()}
		k.window.begin()
		c.ask(c.owners[framework.Slot(k.key)].Load(), k, false)
	}
}

// ask sends a request to a server.
func (c *client) ask(l *lane, k *call, asking bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if asking {
		l.pending = append(l.pending, nil)
		l.wire.send("ASKING")
	}
	l.pending = append(l.pending, k)
	l.wire.send(k.words...)
	if err := l.wire.flush(); err != nil {
		c.failed <- err
	}
}

// listen takes the answers of one server.
func (c *client) listen(l *lane) error {
	for {
		a, err := l.wire.read()
		if err != nil {
			return err
		}
		l.mu.Lock()
		k := l.pending[0]
		l.pending = l.pending[1:]
		l.mu.Unlock()
		if k != nil {
			c.answered(l, k, a)
		}
	}
}

func (c *client) answered(l *lane, k *call, a answer) {
	words := strings.Fields(a.text)
	redirect := a.kind == '-' && len(words) == 3 && (words[0] == "MOVED" || words[0] == "ASK")
	again := a.kind == '-' && len(words) > 0 && words[0] == "TRYAGAIN"
	if (redirect || again) && k.hops < mostHops {
		k.hops++
		k.window.redirected()
		if again {
			c.ask(l, k, false)
			return
		}
		to := c.lanes[words[2]]
		if to == nil {
			c.failed <- fmt.Errorf("redirected to a stranger: %s", a.text)
			return
		}
		if words[0] == "MOVED" {
			c.owners[framework.Slot(k.key)].Store(to)
			select {
			case c.stale <- words[2]:
			default: // somebody is asked already
			}
		}
		c.ask(to, k, words[0] == "ASK")
		return
	}
	wrong := ""
	if a.kind == '-' || a.null != k.null || a.text != k.answer {
		wrong = fmt.Sprintf("%s %s: %c%.80q (nil: %v), not %.80q", k.words[0], k.key, a.kind, a.text, a.null, k.answer)
	}
	k.window.end(time.Since(k.due), wrong)
}

func (w *window) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open++
}

func (w *window) redirected() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.redirects++
}

func (w *window) end(took time.Duration, wrong string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open--
	w.took = append(w.took, took)
	if wrong != "" {
		if w.errors == 0 {
			w.firstError = wrong
		}
		w.errors++
	}
}

// overdue is when a request without an answer is an error.
const overdue = 10 * time.Second

// cut begins a new window, waits for the answers of the old one and adds it up.
func (c *client) cut() (latencies, error) {
	old := c.window.Swap(&window{})
	for end := time.Now().Add(overdue); time.Now().Before(end); time.Sleep(time.Millisecond) {
		select {
		case err := <-c.failed:
			return latencies{}, errors.Join(errors.New("a connection failed"), err)
		default:
		}
		old.mu.Lock()
		open := old.open
		old.mu.Unlock()
		if open == 0 {
			break
		}
	}
	old.mu.Lock()
	defer old.mu.Unlock()
	l := latencies{
		Requests: len(old.took) + old.open, Errors: old.errors + old.open, FirstError: old.firstError,
		Redirects: old.redirects,
	}
	for range old.open {
		old.took = append(old.took, overdue)
	}
	l.Took = old.took
	return l.sorted(), nil
}

// sorted has the percentiles of what each took.
func (l latencies) sorted() latencies {
	slices.Sort(l.Took)
	if n := len(l.Took); n > 0 {
		l.P50, l.P99, l.Max = l.Took[n/2], l.Took[min(n-1, n*99/100)], l.Took[n-1]
	}
	return l
}

// and are the requests of both windows.
func (l latencies) and(other latencies) latencies {
	return latencies{
		Requests: l.Requests + other.Requests, Took: slices.Concat(l.Took, other.Took), Errors: l.Errors + other.Errors,
		FirstError: cmp.Or(l.FirstError, other.FirstError), Redirects: l.Redirects + other.Redirects,
	}.sorted()
}
