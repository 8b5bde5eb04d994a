package redistest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// TrafficOptions say how clients behave. The zero value is four of them that write as fast as a node answers.
type TrafficOptions struct {
	Prefix  string        // of the keys: no two of a test may have the same
	Workers int           // 4
	Keys    int           // of each worker: 200
	Every   time.Duration // one operation of a worker; 0: one after the other
	Seed    uint64
	// Replicas is how many replicas must have a write before it counts as acknowledged.
	Replicas int
	// Lenient clients do not read while they write: after a failover a server may answer with old values for a while.
	Lenient bool
	// NoCounters leaves INCR out: a server that has not got a key yet begins to count anew.
	NoCounters bool
	// Tags are hash tags that the keys share, to have many of them in a few slots.
	Tags []string
	// Late is how long at most a client takes to follow an ASK, as on a machine that has other things to do.
	Late time.Duration
}

// Traffic is clients that write to a cluster and follow its redirects. They remember what was acknowledged.
type Traffic struct {
	workers []*worker
	stop    context.CancelFunc
	done    errgroup.Group
	wrote   atomic.Int64
	redirs  atomic.Int64
	failed  atomic.Int64

	mu    sync.Mutex
	wrong []string
	twice map[string]bool // keys that may be back: Twice
	back  []string        // those that were
}

// worker writes keys that nobody else does.
type worker struct {
	t    *Traffic
	id   int
	opts TrafficOptions
	rand *rand.Rand
	conn *clusterConn
	keys []record
}

// StartTraffic starts clients. They end with the test, or when they are stopped.
func StartTraffic(tb testing.TB, servers []*Server, opts TrafficOptions) *Traffic {
	tb.Helper()
	if opts.Workers == 0 {
		opts.Workers = 4
	}
	if opts.Keys == 0 {
		opts.Keys = 200
	}
	ctx, cancel := context.WithCancel(tb.Context())
	t := &Traffic{stop: cancel}
	for i := range opts.Workers {
		w := &worker{
			t: t, id: i, opts: opts, rand: rand.New(rand.NewPCG(opts.Seed, uint64(i))), //nolint:gosec // small; a test
			conn: newClusterConn(servers),
		}
		w.conn.dawdle = w.dawdle
		for k := range opts.Keys {
			w.keys = append(w.keys, record{name: w.name(k), counter: k%8 == 0 && !opts.NoCounters})
		}
		t.workers = append(t.workers, w)
		t.done.Go(func() error { return w.run(ctx) })
	}
	tb.Cleanup(t.Stop)
	return t
}

// name is that of one of the worker's keys.
func (w *worker) name(k int) string {
	name := fmt.Sprintf("%sw%d:%d", w.opts.Prefix, w.id, k)
	if tags := w.opts.Tags; len(tags) > 0 {
		name += "{" + tags[k%len(tags)] + "}"
	}
	return name
}

// dawdle is what lies between being sent somewhere and going there.
func (w *worker) dawdle() {
	if w.opts.Late > 0 {
		time.Sleep(time.Duration(w.rand.Int64N(int64(w.opts.Late))))
	}
}

// Stop ends the clients.
func (t *Traffic) Stop() {
	t.stop()
	_ = t.done.Wait() // they never fail
	for _, w := range t.workers {
		w.conn.close()
	}
}

// Wrote is how many writes were acknowledged until now.
func (t *Traffic) Wrote() int { return int(t.wrote.Load()) }

// Redirects is how often clients were sent to another node, and Failed how often they were refused or not answered.
func (t *Traffic) Redirects() int { return int(t.redirs.Load()) }

// Failed is how often clients got no answer, or an error that is no redirect.
func (t *Traffic) Failed() int { return int(t.failed.Load()) }

func (w *worker) run(ctx context.Context) error {
	for ctx.Err() == nil {
		r := &w.keys[w.rand.IntN(len(w.keys))]
		switch {
		case r.counter:
			w.incr(ctx, r)
		case !w.opts.Lenient && w.rand.IntN(4) == 0:
			w.read(ctx, r)
		default:
			w.change(ctx, r)
		}
		if w.opts.Every > 0 {
			time.Sleep(w.opts.Every)
		}
	}
	return nil
}

// incr counts. A count of which nobody knows whether it was made may be there or not.
func (w *worker) incr(ctx context.Context, r *record) {
	r.seq++
	r.doubts = append(r.doubts, "?")
	got, err := w.do(ctx, "INCR", r.name)
	if err != nil {
		return
	}
	n, err := strconv.Atoi(got)
	before, _ := strconv.Atoi(r.acked) // "" is 0
	if err != nil || n <= before || n > before+len(r.doubts) {
		w.t.report("%s was %q, %d in doubt, and is %q after INCR", r.name, r.acked, len(r.doubts)-1, got)
	}
	r.acked, r.doubts = got, nil
	w.t.wrote.Add(1)
}

func (w *worker) read(ctx context.Context, r *record) {
	got, err := w.conn.do(ctx, w.t, "GET", r.name)
	if err == nil && !r.may(got) {
		w.t.wronged(r, "%s is %q, not %s", r.name, got, r)
	}
}

// do writes, and waits for replicas when it has to.
func (w *worker) do(ctx context.Context, args ...string) (string, error) {
	got, err := w.conn.do(ctx, w.t, args...)
	if err != nil || w.opts.Replicas == 0 {
		return got, err
	}
	has, err := w.conn.last.ask(ctx, "WAIT", strconv.Itoa(w.opts.Replicas), "1000")
	if err != nil {
		return "", err
	}
	if n, _ := strconv.Atoi(has); n < w.opts.Replicas {
		return "", fmt.Errorf("%d replicas have it", n)
	}
	return got, nil
}

func (t *Traffic) report(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.wrong) < 20 {
		t.wrong = append(t.wrong, fmt.Sprintf(format, args...))
	}
}

// Check stops the clients and fails the test when anything that was acknowledged is not there as it was written.
func (t *Traffic) Check(tb testing.TB) {
	tb.Helper()
	for _, wrong := range t.Wrong(tb) {
		tb.Error(wrong)
	}
}

// Wrong stops the clients, and says what was acknowledged and is not there as it was written.
func (t *Traffic) Wrong(tb testing.TB) []string {
	tb.Helper()
	t.Stop()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	for _, w := range t.workers {
		for i := range w.keys {
			w.check(ctx, &w.keys[i])
		}
		w.conn.close()
	}
	return t.wrong
}
