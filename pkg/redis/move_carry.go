package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const (
	// keysPerCommand bounds one MIGRATE: more gain nothing.
	keysPerCommand = 1000
	// mostCommands bounds the MIGRATEs of one batch. A target that has died holds the source up for the time limit of
	// each of them, and nothing can call them back.
	mostCommands = 8
	// patience is how long a target may be silent during one batch, shared by its MIGRATEs. The source is held up for
	// that time, so it has to be much shorter than any node timeout.
	patience = 1600 * time.Millisecond
	// perByte is how long a target may need for a byte of a big key: three times what was measured for hashes.
	perByte = 60 * time.Nanosecond
	// longestPatience is for keys of any size.
	longestPatience = time.Minute
	// afterPatience is how much later than its own time limit a node answers.
	afterPatience = 3 * time.Second
	// mostSilences is how often a target that is alive may have been silent before somebody has to look at it.
	mostSilences = 6
	// mostFruitless bounds how often keys are asked for that do not go.
	mostFruitless = 20
)

// slotWork is a slot and those of its keys that are known.
type slotWork struct {
	slot  cluster.Slot
	keys  keyList
	sizes []int64 // of the keys; nil when nobody has asked
	next  int     // the first key that has not been sent
	// conflict says that some of the keys are at the other end, too.
	conflict bool
	left     int64 // keys, when they were last counted
}

// biggest is the largest key of the slot and its size.
func (w *slotWork) biggest() (string, int64) {
	at := -1
	for i, size := range w.sizes {
		if at < 0 || size > w.sizes[at] {
			at = i
		}
	}
	if at < 0 {
		return "", 0
	}
	return w.keys.key(at), w.sizes[at]
}

// carrier brings the keys of slots from one node to another, or drops them.
type carrier struct {
	from, to *moveNode
	pace     *pace
	arrivals *turnstile // at the target; it may have several sources
	options  MoveOptions
	wires    []*wire // to the node that keys leave, one for each batch under way
	// weigh says that the sizes of keys have to be asked for: one may be too big.
	weigh     bool
	meanBytes float64 // of a key
	// drop says that keys are deleted where they are.
	drop bool
	// screen settles keys that are at both ends before they are sent; nil where nothing has to be known of them.
	screen func(context.Context, []*slotWork) (int64, error)
	// settle brings keys that are at both ends to the target alone, or lets them be sent with REPLACE.
	settle func(context.Context, *slotWork) error

	mu        sync.Mutex
	silences  int // one after the other
	keys      int64
	bytes     int64
	conflicts int64
}

func newCarrier(from, to *moveNode, p *pace, arrivals *turnstile, o MoveOptions) *carrier {
	c := &carrier{from: from, to: to, pace: p, arrivals: arrivals, options: o, drop: o.Engine == EngineSlotsOnly}
	for range cap(p.gate.places) {
		c.wires = append(c.wires, from.c.newWire(from.Endpoint))
	}
	if from.info.Keys > 0 {
		c.meanBytes = float64(from.info.DataBytes) / float64(from.info.Keys)
		p.weigh(c.meanBytes)
	}
	c.weigh = !c.drop && o.MaxKeyBytes > 0 && from.info.DataBytes > o.MaxKeyBytes
	return c
}

func (c *carrier) close() {
	for _, w := range c.wires {
		w.close()
	}
}

// carry brings keys away until the slots have none. Those that turn out to have a key above the limit are given
// back, with some of their keys gone already.
func (c *carrier) carry(ctx context.Context, works []*slotWork) (blocked []Blocked, err error) {
	left := works
	for fruitless := 0; ; {
		if err = c.screenAll(ctx, left); err != nil {
			return blocked, err
		}
		if err = c.sendAll(ctx, left); err != nil {
			return blocked, err
		}
		before := keysLeft(left)
		if left, err = c.unfinished(ctx, left); err != nil || len(left) == 0 {
			return blocked, err
		}
		if fruitless++; keysLeft(left) < before || before < 0 {
			fruitless = 0
		}
		if fruitless > mostFruitless {
			err = errorf(ErrKeysLeft, "slot %d keeps %d", left[0].slot, left[0].left)
			return blocked, failed("migrate", c.from.Endpoint, err)
		}
		if fruitless > 1 && !pause(ctx, time.Millisecond) {
			return blocked, ctx.Err()
		}
		if err = c.list(ctx, c.wires[0], left); err != nil {
			return blocked, err
		}
		var big []Blocked
		left, big = c.tooBig(left)
		blocked = append(blocked, big...)
		if err = c.settleAll(ctx, left); err != nil {
			return blocked, err
		}
	}
}

// keysLeft is how many keys the slots had when they were counted; negative when they have not been.
func keysLeft(works []*slotWork) int64 {
	var sum int64
	for _, w := range works {
		if w.left == 0 {
			return -1
		}
		sum += w.left
	}
	return sum
}

// unfinished are the slots that still have keys.
func (c *carrier) unfinished(ctx context.Context, works []*slotWork) ([]*slotWork, error) {
	slots := make([]cluster.Slot, len(works))
	for i, w := range works {
		slots[i] = w.slot
	}
	var counts []int64
	err := c.pace.aside(ctx, func() (err error) {
		counts, err = c.wires[0].countKeys(ctx, slots)
		return err
	})
	if err != nil {
		return nil, err
	}
	var left []*slotWork
	for i, w := range works {
		if w.left = counts[i]; w.left > 0 {
			left = append(left, w)
		}
	}
	return left, nil
}

func (c *carrier) screenAll(ctx context.Context, works []*slotWork) error {
	if c.screen == nil {
		return nil
	}
	settled, err := c.screen(ctx, works)
	c.mu.Lock()
	c.conflicts += settled
	c.mu.Unlock()
	return err
}

func (c *carrier) settleAll(ctx context.Context, works []*slotWork) error {
	for _, w := range works {
		if !w.conflict {
			continue
		}
		c.mu.Lock()
		c.conflicts += int64(w.keys.len())
		c.mu.Unlock()
		if err := c.settle(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// sendAll sends all keys that are known.
func (c *carrier) sendAll(ctx context.Context, works []*slotWork) error {
	queue := &batches{carrier: c, works: works}
	var group errgroup.Group
	for _, w := range c.wires {
		group.Go(safely(func() error { return c.send(ctx, w, queue) }))
		if queue.short() {
			break // one goroutine is enough
		}
	}
	return group.Wait()
}

// send takes one batch after the other.
func (c *carrier) send(ctx context.Context, w *wire, queue *batches) error {
	for {
		more, err := c.sendOne(ctx, w, queue)
		if err != nil {
			queue.stop()
		}
		if err != nil || !more {
			return err
		}
	}
}

// sendOne sends the next batch, when both nodes have rested, and says whether there was one.
func (c *carrier) sendOne(ctx context.Context, w *wire, queue *batches) (more bool, err error) {
	if !c.pace.gate.enter(ctx) {
		return false, ctx.Err()
	}
	defer c.pace.gate.leave()
	b, got, err := c.exchange(ctx, w, queue)
	if b == nil || err != nil {
		return false, err
	}
	return true, c.settleBatch(ctx, b, got)
}

// exchange sends the next batch, while nobody else does to the target; nil when there is none.
func (c *carrier) exchange(ctx context.Context, w *wire, queue *batches) (*batch, *answers, error) {
	if !c.arrivals.enter(ctx) {
		return nil, nil, ctx.Err()
	}
	defer c.arrivals.leave()
	b := queue.take()
	if b == nil {
		return nil, nil, nil
	}
	sent := timeNow()
	got, err := w.exchange(ctx, b.within(), b.packet)
	done := timeNow()
	work := c.pace.observe(b.cost, sent, done)
	c.pace.gate.rest(sent, done, c.pace.rest(work))
	c.arrivals.rest(sent, done, c.pace.arrivalRest(work))
	return b, got, failed("migrate", c.from.Endpoint, err)
}

// settleBatch reads what came of a batch.
func (c *carrier) settleBatch(ctx context.Context, b *batch, got *answers) error {
	silent := false
	for i, part := range b.parts {
		err := got.list[i].err
		if err == nil {
			c.count(part, got.list[i])
			continue
		}
		switch said := c.verdict(err); {
		case errors.Is(said, errSilent):
			silent = true
		case errors.Is(said, errConflict):
			c.conflict(part.work)
		case said != nil:
			return said
		}
	}
	c.mu.Lock()
	if !silent {
		c.silences = 0
		c.mu.Unlock()
		return nil
	}
	c.silences++
	silences := c.silences
	c.mu.Unlock()
	if silences > mostSilences {
		return failed("migrate to", c.to.Endpoint, errorf(ErrNotReachable, "%s did not get through to it %d times",
			c.from.Endpoint.Addr, silences))
	}
	// Is it alive? A key may be at both ends now; it is found there when it is sent again.
	ping := c.to.c.newWire(c.to.Endpoint)
	defer ping.close()
	p := &packet{}
	p.add("PING")
	_, err := ping.ask(ctx, "ping", p)
	return err
}

// conflict notes that keys of a slot are at both ends. Batches of the same slot may be made and answered meanwhile.
func (c *carrier) conflict(w *slotWork) {
	c.mu.Lock()
	w.conflict = true
	c.mu.Unlock()
}

// replaces says whether keys of a slot may be sent over those that the target has.
func (c *carrier) replaces(w *slotWork) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return w.conflict
}

// count adds the keys that have gone.
func (c *carrier) count(part batchPart, got answer) {
	keys := int64(part.to - part.from)
	if c.drop {
		keys = got.number
	} else if got.text == "NOKEY" {
		keys = 0
	}
	bytes := int64(float64(keys) * c.meanBytes)
	if part.work.sizes != nil {
		bytes = part.bytes
	}
	c.mu.Lock()
	c.keys += keys
	c.bytes += bytes
	c.mu.Unlock()
}

var (
	// errSilent says that the source could not speak to the target, or not to the end.
	errSilent = errors.New("target is silent")
	// errConflict says that the target has a key already.
	errConflict = errors.New("key is at both ends")
)

// targetWords begin what the target has said, in the source's answer.
const targetWords = "Target instance replied with error: "

// verdict is what an answer to MIGRATE means. Nil: try again.
func (c *carrier) verdict(err error) error {
	text := err.Error()
	_, words, fromTarget := strings.Cut(text, targetWords)
	switch {
	case fromTarget && strings.HasPrefix(words, "BUSYKEY"):
		return errConflict
	case fromTarget:
		return c.refused(words)
	case strings.HasPrefix(text, "IOERR"):
		return errSilent
	case c.drop && isRedirect(err) && !strings.HasPrefix(text, "MOVED"):
		return nil // some of the keys have expired: what is left is asked for again
	case strings.HasPrefix(text, "MOVED"), strings.HasPrefix(text, "READONLY"):
		code, _, _ := strings.Cut(text, " ")
		return failed("migrate", c.from.Endpoint, errorf(ErrNotOwner, "it answers %s", code))
	}
	return failed("migrate", c.from.Endpoint, err)
}

// passing are the answers of a target that will take keys by and by: it has to be looked at again.
var passing = []string{"LOADING", "MOVED", "ASK", "CLUSTERDOWN", "MASTERDOWN", "PRIMARYDOWN", "BUSY", "TRYAGAIN"}

// refused is the error of a target that does not take keys.
func (c *carrier) refused(words string) error {
	reply := newReplyError(words)
	code, _, _ := strings.Cut(words, " ")
	if slices.Contains(passing, code) {
		return c.hide(failed("restore", c.to.Endpoint, reply))
	}
	kinds := []error{ErrTargetRefuses}
	if code == "OOM" {
		kinds = append(kinds, ErrTargetFull)
	}
	return c.hide(failed("restore", c.to.Endpoint, &refusal{reply: reply, kinds: kinds}))
}

// hide takes the password of the other end out of an error: the source has repeated what it was told.
func (c *carrier) hide(err error) error { return redact(err, c.options.Restore.Password) }

// refusal is a target's words, and that they mean no.
type refusal struct {
	reply *ReplyError
	kinds []error
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%v: %v", r.kinds[len(r.kinds)-1], r.reply)
}

func (r *refusal) Unwrap() []error { return append([]error{r.reply}, r.kinds...) }

// isRedirect says that a key is not there, or not any more.
func isRedirect(err error) bool {
	text := err.Error()
	return strings.HasPrefix(text, "ASK ") || strings.HasPrefix(text, "TRYAGAIN") || strings.HasPrefix(text, "MOVED ")
}
