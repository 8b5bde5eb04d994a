package redistest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// record is what a key may hold. "" is a key that is not there.
type record struct {
	name    string
	acked   string   // the last value that was acknowledged; "" also when that was a deletion
	doubts  []string // later values of which nobody knows
	counter bool
	seq     int

	ttl      time.Duration // 0: it stays
	from     time.Time     // its time to live began after this
	until    time.Time     // and before this
	ttlDoubt bool          // nobody knows its time to live
}

const (
	// longest is when a key has died that lives shortly, on a server that was stopped for a while meanwhile.
	longest = 8 * time.Second
	// ttlError is how much of a time to live may be lost or gained on the way.
	ttlError = 5 * time.Second
)

// change writes or deletes a key, or gives it a time to live: one that outlasts the test, which it has to keep, or a short
// one, after which it must not come back.
func (w *worker) change(ctx context.Context, r *record) {
	switch w.rand.IntN(12) {
	case 0, 1:
		w.remove(ctx, r)
	case 2:
		w.expire(ctx, r, w.long())
	case 3:
		w.expire(ctx, r, w.short())
	case 4, 5, 6:
		w.write(ctx, r, w.long())
	case 7:
		w.write(ctx, r, w.short())
	default:
		w.write(ctx, r, 0)
	}
}

func (w *worker) long() time.Duration { return time.Duration(600+w.rand.IntN(600)) * time.Second }

func (w *worker) short() time.Duration { return time.Duration(20+w.rand.IntN(500)) * time.Millisecond }

func (w *worker) write(ctx context.Context, r *record, ttl time.Duration) {
	r.seq++
	value, begin := fmt.Sprintf("%s=%d", r.name, r.seq), time.Now()
	args := []string{"SET", r.name, value}
	r.doubts, r.ttlDoubt = append(r.doubts, value), true
	if ttl > 0 {
		args = append(args, "PX", strconv.FormatInt(ttl.Milliseconds(), 10))
		r.doubts = append(r.doubts, "")
	}
	if _, err := w.do(ctx, args...); err == nil {
		r.settle(value, ttl, begin)
		w.t.wrote.Add(1)
	}
}

func (w *worker) remove(ctx context.Context, r *record) {
	begin, sure := time.Now(), r.firm() && !w.opts.Lenient
	r.doubts = append(r.doubts, "")
	got, err := w.do(ctx, "DEL", r.name)
	if err != nil {
		return
	}
	if there := r.acked != ""; sure && there != (got == "1") {
		w.t.wronged(r, "%s should have been %s, and DEL says %q", r.name, r, got)
	}
	r.settle("", 0, begin)
	w.t.wrote.Add(1)
}

// expire gives a time to live to a key that may be there, or not.
func (w *worker) expire(ctx context.Context, r *record, ttl time.Duration) {
	begin, sure := time.Now(), r.firm()
	r.doubts, r.ttlDoubt = append(r.doubts, ""), true
	got, err := w.do(ctx, "PEXPIRE", r.name, strconv.FormatInt(ttl.Milliseconds(), 10))
	if err != nil || !sure {
		return
	}
	if there := r.acked != ""; there != (got == "1") {
		if !w.opts.Lenient {
			w.t.wronged(r, "%s should have been %s, and PEXPIRE says %q", r.name, r, got)
		}
		return // who was asked does not have it, and whoever does lets it live as it did
	}
	if r.acked == "" {
		ttl = 0
	}
	r.settle(r.acked, ttl, begin)
	w.t.wrote.Add(1)
}

// settle is what an acknowledgement makes certain.
func (r *record) settle(value string, ttl time.Duration, begin time.Time) {
	r.acked, r.doubts, r.ttlDoubt = value, nil, false
	r.ttl, r.from, r.until = ttl, begin, time.Now()
}

// may says whether the key may hold this.
func (r *record) may(value string) bool {
	if r.counter {
		n, _ := strconv.Atoi(value)
		acked, _ := strconv.Atoi(r.acked)
		return n >= acked && n <= acked+len(r.doubts)
	}
	// A server counts in whole milliseconds.
	dead := r.ttl > 0 && time.Since(r.from)+time.Millisecond >= r.ttl
	return value == r.acked || slices.Contains(r.doubts, value) || value == "" && dead
}

// String is what the key should hold.
func (r *record) String() string {
	switch {
	case r.acked == "" && r.seq > 0:
		return "deleted"
	case r.ttl > 0:
		return fmt.Sprintf("%q for %v", r.acked, r.ttl)
	}
	return fmt.Sprintf("%q", r.acked)
}

// check is at the end: what the key holds, and for how long.
func (w *worker) check(ctx context.Context, r *record) {
	got, err := w.conn.do(ctx, w.t, "GET", r.name)
	for err == nil && got != "" && r.dies() && time.Since(r.until) < r.ttl+longest {
		time.Sleep(10 * time.Millisecond)
		got, err = w.conn.do(ctx, w.t, "GET", r.name)
	}
	switch {
	case err != nil:
		w.t.report("%s: %v", r.name, err)
	case !r.may(got):
		w.t.wronged(r, "in the end %s is %q, not %s", r.name, got, r)
	case got != "" && r.dies():
		left, _ := w.conn.do(ctx, w.t, "PTTL", r.name)
		w.t.wronged(r, "%s is there %v after its end, with %s ms left: it was %s",
			r.name, time.Since(r.until)-r.ttl, left, r)
	case !r.counter && got != "" && got == r.acked && !r.ttlDoubt:
		w.checkTTL(ctx, r)
	}
}

// firm says whether it is certain that the key is there, or not.
func (r *record) firm() bool { return len(r.doubts) == 0 && (r.ttl == 0 || r.ttl > time.Minute) }

// dies says whether the key lives shortly, for sure.
func (r *record) dies() bool { return r.ttl > 0 && r.ttl < time.Second && len(r.doubts) == 0 }

func (w *worker) checkTTL(ctx context.Context, r *record) {
	left, err := w.conn.do(ctx, w.t, "PTTL", r.name)
	if err != nil {
		w.t.report("%s: %v", r.name, err)
		return
	}
	millis, _ := strconv.Atoi(left)
	want := r.ttl - time.Since(r.until)
	switch {
	case r.ttl == 0 && millis != -1:
		w.t.report("%s was written to stay and has %d ms left", r.name, millis)
	case r.ttl > 0 && (millis < 0 || (time.Duration(millis)*time.Millisecond-want).Abs() > ttlError):
		w.t.report("%s should have %v left and has %d ms", r.name, want, millis)
	}
}
