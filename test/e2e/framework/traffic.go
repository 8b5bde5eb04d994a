package framework

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// TrafficOptions say how a Traffic writes.
type TrafficOptions struct {
	Writers int // each with its own connections and keys
	Keys    int // of each writer
	Rate    int // writes per second of each writer
	// Wait counts a write as acknowledged only once a replica has it (WAIT 1).
	Wait bool
}

// Traffic writes at a steady pace while something happens to the cluster. Each key holds the number of its last
// write, so that what was acknowledged can be asked for afterwards.
type Traffic struct {
	cluster *Cluster
	options TrafficOptions
	stop    context.CancelFunc
	running sync.WaitGroup
	writers []*writer
}

// Latencies are how long writes took, from the moment when each was due: one that had to wait behind a slow one
// is slow too.
type Latencies struct {
	Writes        int
	P50, P99, Max time.Duration
}

// String is "p50 0.6 ms, p99 2.1 ms, max 9.8 ms of 5000 writes".
func (l Latencies) String() string {
	millis := func(d time.Duration) string { return strconv.FormatFloat(d.Seconds()*1000, 'f', 1, 64) }
	return fmt.Sprintf("p50 %s ms, p99 %s ms, max %s ms of %d writes", millis(l.P50), millis(l.P99), millis(l.Max), l.Writes)
}

// StartTraffic begins to write. Stop ends it.
func (c *Cluster) StartTraffic(t *testing.T, o TrafficOptions) *Traffic {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	tr := &Traffic{cluster: c, options: o, stop: stop}
	for i := range o.Writers {
		w := &writer{client: c.Client(t), options: o, prefix: fmt.Sprintf("traffic:%d:", i), keys: make([]history, o.Keys)}
		tr.writers = append(tr.writers, w)
		tr.running.Go(func() { w.run(ctx) })
	}
	t.Cleanup(tr.halt)
	return tr
}

func (tr *Traffic) halt() {
	tr.stop()
	tr.running.Wait()
}

// Lap gives the latencies since the last Lap, or the start.
func (tr *Traffic) Lap() Latencies {
	var all []time.Duration
	for _, w := range tr.writers {
		w.mu.Lock()
		all = append(all, w.took...)
		w.took = nil
		w.mu.Unlock()
	}
	if len(all) == 0 {
		return Latencies{}
	}
	slices.Sort(all)
	return Latencies{Writes: len(all), P50: all[len(all)/2], P99: all[len(all)*99/100], Max: all[len(all)-1]}
}

// Broken is how many times a connection broke or could not be made. The write was tried again.
func (tr *Traffic) Broken() int {
	n := 0
	for _, w := range tr.writers {
		w.mu.Lock()
		n += w.broken
		w.mu.Unlock()
	}
	return n
}

// Stop ends the writing, and returns the errors that writers were answered with. Redirects are none, nor is a
// connection that broke, when the write came through within half a minute.
func (tr *Traffic) Stop() error {
	tr.halt()
	var errs []error
	for _, w := range tr.writers {
		errs = append(errs, w.errs...)
	}
	if len(errs) > 5 {
		errs = append(errs[:5:5], fmt.Errorf("and %d more errors", len(errs)-5))
	}
	return errors.Join(errs...)
}

// Lost reads every key back and says which acknowledged writes are not there. Call it after Stop.
func (tr *Traffic) Lost(t *testing.T) error {
	t.Helper()
	lost := tr.LostKeys(t)
	if len(lost) > 10 {
		lost = append(lost[:10:10], fmt.Errorf("and %d more keys", len(lost)-10))
	}
	return errors.Join(lost...)
}

// LostKeys is an error for each key whose last acknowledged write is not there.
func (tr *Traffic) LostKeys(t *testing.T) []error {
	t.Helper()
	client := tr.cluster.Client(t)
	var lost []error
	for _, w := range tr.writers {
		for i := range w.keys {
			if err := w.check(t.Context(), client, i); err != nil {
				lost = append(lost, err)
			}
		}
	}
	return lost
}

// history is the writes of one key: those with higher numbers came later.
type history struct {
	acked int64 // the last that was acknowledged; 0: none
	sent  int64 // the last that was sent, and may have arrived
}

type writer struct {
	client  *Client
	options TrafficOptions
	prefix  string
	keys    []history // only the writer's goroutine, until it has ended
	errs    []error

	mu     sync.Mutex
	took   []time.Duration
	broken int
}

// writeTimeout is longer than any failover takes.
const writeTimeout = 30 * time.Second

func (w *writer) run(ctx context.Context) {
	pace := time.Second / time.Duration(w.options.Rate)
	due := time.Now()
	for i := int64(1); ctx.Err() == nil; i++ {
		time.Sleep(time.Until(due))
		if err := w.write(ctx, int(i)%len(w.keys), i); err != nil && ctx.Err() == nil {
			w.errs = append(w.errs, fmt.Errorf("%s: %w", time.Now().Format("15:04:05.000"), err))
		}
		w.mu.Lock()
		w.took = append(w.took, time.Since(due))
		w.mu.Unlock()
		due = due.Add(pace)
	}
}

// write tries until it is acknowledged, or refused, or the time is over.
func (w *writer) write(ctx context.Context, key int, number int64) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	w.keys[key].sent = number
	for {
		err := w.try(ctx, w.prefix+strconv.Itoa(key), number)
		var re ReplyError
		switch {
		case err == nil:
			w.keys[key].acked = number
			return nil
		case errors.As(err, &re) || ctx.Err() != nil:
			return err
		}
		w.mu.Lock()
		w.broken++
		w.mu.Unlock()
		time.Sleep(tryAgain)
	}
}

// tryAgain is how long a client rests after a connection broke.
const tryAgain = 5 * time.Millisecond

func (w *writer) try(ctx context.Context, name string, number int64) error {
	_, addr, err := w.client.do(ctx, name, []string{"SET", name, strconv.FormatInt(number, 10)})
	if err != nil {
		return fmt.Errorf("SET %s at %s: %w", name, addr, err)
	}
	if !w.options.Wait {
		return nil
	}
	copies, err := w.client.at(ctx, addr, false, []string{"WAIT", "1", "1000"})
	if err != nil {
		return fmt.Errorf("WAIT at %s: %w", addr, err)
	}
	if n, _ := copies.(int64); n < 1 {
		return ReplyError(fmt.Sprintf("WAIT 1 at %s: no replica has %s after a second", addr, name))
	}
	return nil
}

func (w *writer) check(ctx context.Context, client *Client, key int) error {
	want, name := w.keys[key], w.prefix+strconv.Itoa(key)
	if want.sent == 0 {
		return nil
	}
	reply, err := client.Do(ctx, name, "GET", name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	text, _ := reply.(string)
	got, err := strconv.ParseInt(text, 10, 64)
	if err != nil && want.acked == 0 {
		return nil
	}
	if err != nil || got < want.acked || got > want.sent {
		return fmt.Errorf("%s is %v: write %d was acknowledged, %d was the last", name, reply, want.acked, want.sent)
	}
	return nil
}
