package witness

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

type writer struct {
	client  *Client
	options TrafficOptions
	prefix  string // of its keys
	errs    []error

	mu      sync.Mutex
	keys    []history
	checked int // keys that were asked for already
	acked   int
	took    []time.Duration
	refused Refusals
	gap     Gap       // the longest
	now     Gap       // since last, while it lasts
	last    time.Time // when a write was acknowledged last, or the writing began
	writing bool
	ended   bool
}

// broken is the word for a connection that broke or could not be made.
const broken = "no connection"

func newWriter(client *Client, o TrafficOptions, i int) *writer {
	prefix := fmt.Sprintf("traffic:%s%d:", o.Name, i)
	if o.Shards > 0 {
		prefix = fmt.Sprintf("traffic:%s{%s}:", o.Name, TagIn(i, i%o.Shards, o.Shards))
	}
	return &writer{client: client, options: o, prefix: prefix, keys: make([]history, o.Keys), refused: Refusals{}, last: time.Now()}
}

// TagIn is a word whose slot is in one of so many equal parts of all slots.
func TagIn(i, part, parts int) string {
	for n := 0; ; n++ {
		tag := fmt.Sprintf("%d-%d", i, n)
		if int(Slot(tag))*parts/slotCount == part {
			return tag
		}
	}
}

// Times of a write. The first is longer than any failover takes; a patient writer has none.
const (
	writeTimeout = 30 * time.Second
	tryTimeout   = time.Second
	waitTimeout  = 2 * time.Second
	// tryAgain is how long a client rests after a connection broke or it was refused.
	tryAgain = 5 * time.Millisecond
)

func (w *writer) run(ctx context.Context) {
	defer w.client.Close()
	defer func() {
		w.mu.Lock()
		w.ended = true
		w.mu.Unlock()
	}()
	pace := time.Second / time.Duration(w.options.Rate)
	due := time.Now()
	for i := int64(1); ctx.Err() == nil; i++ {
		time.Sleep(time.Until(due))
		if w.options.Patient && time.Since(due) > pace {
			due = time.Now()
		}
		err := w.write(ctx, i)
		w.mu.Lock()
		if err != nil && ctx.Err() == nil {
			w.errs = append(w.errs, fmt.Errorf("%s: %w", time.Now().UTC().Format("15:04:05.000"), err))
		}
		w.took = append(w.took, time.Since(due))
		w.mu.Unlock()
		due = due.Add(pace)
	}
}

// write tries until it is acknowledged, or refused, or the time is over.
func (w *writer) write(ctx context.Context, number int64) error {
	if !w.options.Patient {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, writeTimeout)
		defer cancel()
	}
	key := w.begin(number)
	for {
		err := w.try(ctx, w.prefix+strconv.Itoa(key), number)
		if err == nil {
			w.end(key, number)
			return nil
		}
		var re ReplyError
		refused := errors.As(err, &re)
		if ctx.Err() != nil || refused && !w.options.Patient {
			return err
		}
		w.count(re)
		time.Sleep(tryAgain)
	}
}

// begin says which key is written.
func (w *writer) begin(number int64) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writing = true
	key := int(number - 1)
	if w.options.Keys == 0 {
		w.keys = append(w.keys, history{})
		if kindOf(number) == deletes {
			key -= deletesBefore
		}
	} else {
		key %= w.options.Keys
	}
	w.keys[key].begin(number)
	return key
}

func (w *writer) end(key int, number int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys[key].end(number)
	w.acked++
	w.gap = longer(w.gap, w.now.until(w.last))
	w.now = Gap{}
	w.last, w.writing = time.Now(), false
}

func (w *writer) takeGap() Gap {
	w.mu.Lock()
	defer w.mu.Unlock()
	gap := w.gap
	if w.writing {
		gap = longer(gap, w.now.until(w.last))
	}
	w.gap = Gap{}
	return gap
}

// tried takes down what a try that has ended was like.
func (w *writer) tried(addr string, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now.Tries++
	if took > w.now.Slowest {
		w.now.Slowest, w.now.At = took, addr
	}
}

func (w *writer) count(refused ReplyError) {
	word, _, _ := strings.Cut(string(refused), " ")
	if word == "" {
		word = broken
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refused[word]++
	if w.now.Refused == nil {
		w.now.Refused = Refusals{}
	}
	w.now.Refused[word]++
}

func (w *writer) try(ctx context.Context, name string, number int64) error {
	bounded, cancel := w.bound(ctx, tryTimeout)
	defer cancel()
	command := commandOf(name, number)
	begin := time.Now()
	_, addr, err := w.client.do(bounded, name, command)
	defer func() { w.tried(addr, time.Since(begin)) }()
	if err != nil {
		w.client.forget(Slot(name))
		return fmt.Errorf("%s %s at %s: %w", command[0], name, addr, err)
	}
	if !w.options.Wait {
		return nil
	}
	bounded, cancel = w.bound(ctx, waitTimeout)
	defer cancel()
	copies, err := w.client.wait(bounded, addr)
	if err != nil {
		return err
	}
	if copies < 1 {
		return ReplyError(fmt.Sprintf("WAIT 1 at %s: no replica has %s after a second", addr, name))
	}
	return nil
}

// bound keeps a patient writer from waiting for one node for ever.
func (w *writer) bound(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if !w.options.Patient {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, timeout)
}
