package witness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// TrafficOptions say how a Traffic writes.
type TrafficOptions struct {
	Writers int // each with its own connections and keys
	// Keys are the keys of each writer, written in turns; 0: every write has a key of its own, so that a lost one stays
	// lost however long it takes to look.
	Keys int
	Rate int // writes per second of each writer
	// Wait counts a write as acknowledged only once a replica has it (WAIT 1).
	Wait bool
	// Patient writers try again whatever they were answered, until the write is acknowledged, and do not catch up.
	Patient bool
	// Shards binds each writer to a slot of one of so many equal parts of all slots, in turns; 0: to none.
	Shards int
	// Name tells the keys of one Traffic from those of another.
	Name string
}

// Traffic writes at a steady pace while something happens to the cluster. Each key holds the number of its last
// write, so that what was acknowledged can be asked for afterwards. Some writes delete their key, which must not come back,
// and some give it a time to live, which must stay with it.
type Traffic struct {
	cluster *Cluster
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

// Write begins to write. Stop ends it.
func (c *Cluster) Write(ctx context.Context, o TrafficOptions) (*Traffic, error) {
	ctx, stop := context.WithCancel(ctx)
	roster, err := c.follow(ctx)
	if err != nil {
		stop()
		return nil, fmt.Errorf("pods of %s: %w", c.Name, err)
	}
	tr := &Traffic{cluster: c, stop: stop}
	for i := range o.Writers {
		client, failed := c.Client(ctx)
		if failed != nil {
			stop()
			return nil, failed
		}
		client.find = roster.addresses
		tr.writers = append(tr.writers, newWriter(client, o, i))
	}
	for _, w := range tr.writers {
		tr.running.Go(func() { w.run(ctx) })
	}
	return tr, nil
}

// Halt ends the writing. It may be called twice.
func (tr *Traffic) Halt() {
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

// Gap is the longest time between two acknowledged writes of a writer since the last Gap, also that since the last write
// of one that waits. A writer at rest has gaps of its own pace.
func (tr *Traffic) Gap() Gap {
	var longest Gap
	for _, w := range tr.writers {
		longest = longer(longest, w.takeGap())
	}
	return longest
}

// Silence is how long ago the writer that has waited longest had a write acknowledged.
func (tr *Traffic) Silence() time.Duration {
	var longest time.Duration
	for _, w := range tr.writers {
		w.mu.Lock()
		longest = max(longest, time.Since(w.last))
		w.mu.Unlock()
	}
	return longest
}

// Acknowledged is how many writes were.
func (tr *Traffic) Acknowledged() int {
	n := 0
	for _, w := range tr.writers {
		w.mu.Lock()
		n += w.acked
		w.mu.Unlock()
	}
	return n
}

// Broken is how many times a connection broke or could not be made. The write was tried again.
func (tr *Traffic) Broken() int { return tr.Refusals()[broken] }

// Refusals are what writers were answered with instead of OK, by the first word, and how often. Redirects are none.
func (tr *Traffic) Refusals() Refusals {
	all := Refusals{}
	for _, w := range tr.writers {
		w.mu.Lock()
		for word, n := range w.refused {
			all[word] += n
		}
		w.mu.Unlock()
	}
	return all
}

// Refusals count answers by their first word.
type Refusals map[string]int

// String is "7 CLUSTERDOWN, 2 no connection", the most frequent first.
func (r Refusals) String() string {
	words := slices.Collect(maps.Keys(r))
	slices.SortFunc(words, func(a, b string) int { return cmp.Or(cmp.Compare(r[b], r[a]), strings.Compare(a, b)) })
	var out []string
	for _, w := range words {
		out = append(out, fmt.Sprintf("%d %s", r[w], w))
	}
	return cmp.Or(strings.Join(out, ", "), "none")
}

// Minus are the answers that have come since others were counted.
func (r Refusals) Minus(before Refusals) Refusals {
	left := Refusals{}
	for word, n := range r {
		if n > before[word] {
			left[word] = n - before[word]
		}
	}
	return left
}

// Stop ends the writing, and returns the errors that writers were answered with. Redirects are none, nor is a
// connection that broke, when the write came through within half a minute.
func (tr *Traffic) Stop() error {
	tr.Halt()
	var errs []error
	for _, w := range tr.writers {
		errs = append(errs, w.errs...)
	}
	if len(errs) > 5 {
		errs = append(errs[:5:5], fmt.Errorf("and %d more errors", len(errs)-5))
	}
	return errors.Join(errs...)
}
