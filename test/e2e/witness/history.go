package witness

import (
	"fmt"
	"strconv"
	"time"
)

// writeKind is what a write does to its key. Its number says it.
type writeKind int

const (
	stays   writeKind = iota // SET
	deletes                  // DEL
	keeps                    // SET with a time to live that outlasts every test, and has to stay with the key
	dies                     // SET with one that ends soon: the key must not come back
)

const (
	longLife  = 12 * time.Hour
	shortLife = time.Second
	// lifeError is how much of a time to live may be gained or lost: a key may be on its way while a node is stopped.
	lifeError = 2 * time.Minute
	// deletesBefore is how many writes before a deletion its key was written, where every write has a key of its own.
	deletesBefore = 4
	// unsettled is how many of the last keys may be written or deleted at any moment, there.
	unsettled = 2 * deletesBefore
)

func kindOf(number int64) writeKind {
	switch {
	case number%8 == 7:
		return deletes
	case number%64 == 4:
		return keeps
	case number%64 == 36:
		return dies
	}
	return stays
}

// commandOf is the command of a write.
func commandOf(key string, number int64) []string {
	set := []string{"SET", key, strconv.FormatInt(number, 10)}
	switch kindOf(number) {
	case deletes:
		return []string{"DEL", key}
	case keeps:
		return append(set, "PX", strconv.FormatInt(longLife.Milliseconds(), 10))
	case dies:
		return append(set, "PX", strconv.FormatInt(shortLife.Milliseconds(), 10))
	case stays:
	}
	return set
}

// history is the writes of one key, by their numbers: those with higher ones came later.
type history struct {
	acked  int64   // the last that was acknowledged; 0: none
	doubts []int64 // later ones that were sent, and may have arrived
	at     time.Time
}

func (h *history) begin(number int64) {
	h.doubts = append(h.doubts, number)
}

func (h *history) end(number int64) {
	h.acked, h.doubts, h.at = number, nil, time.Now()
}

// check says whether what a key holds is what was acknowledged last, or later.
func (h *history) check(name string, value any) error {
	text, there := value.(string)
	for _, number := range append(h.doubts, h.acked) {
		kind := kindOf(number)
		switch {
		case !there && (number == 0 || kind == deletes || kind == dies):
			return nil
		case there && kind != deletes && number > 0 && text == strconv.FormatInt(number, 10):
			return h.checkEnd(name, kind)
		}
	}
	switch {
	case !there:
		return fmt.Errorf("%s is gone: write %d was acknowledged", name, h.acked)
	case kindOf(h.acked) == deletes:
		return fmt.Errorf("%s came back as %s: its deletion %d was acknowledged", name, text, h.acked)
	}
	return fmt.Errorf("%s is %s: write %d was acknowledged, and later ones were %v", name, text, h.acked, h.doubts)
}

// checkEnd says whether a key is still there that should have died.
func (h *history) checkEnd(name string, kind writeKind) error {
	if age := time.Since(h.at); kind == dies && len(h.doubts) == 0 && age > shortLife+lifeError {
		return fmt.Errorf("%s is there %s after it was written to live for %s", name, age.Round(time.Second), shortLife)
	}
	return nil
}

// lasts says whether the key has a time to live that is known.
func (h *history) lasts() bool { return len(h.doubts) == 0 && h.acked > 0 && kindOf(h.acked) == keeps }

// checkLife says whether the time that a key has left, as PTTL says it, is what is left.
func (h *history) checkLife(name string, reply any) error {
	millis, _ := reply.(int64)
	left, want := time.Duration(millis)*time.Millisecond, longLife-time.Since(h.at)
	if (left - want).Abs() > lifeError {
		return fmt.Errorf("%s lives for %s, not %s (PTTL says %v)", name, left, want.Round(time.Second), reply)
	}
	return nil
}
