package redistest

import (
	"fmt"
	"time"
)

// Twice says that a crash has left these keys at two servers. Clients turn to one of them, and when a key goes away
// there, they find the other's copy: it is back. That is not wrong of such a key, and of no other; nor is any other fault
// of it forgiven (docs/decisions/0016).
func (t *Traffic) Twice(keys []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.twice == nil {
		t.twice = map[string]bool{}
	}
	for _, key := range keys {
		t.twice[key] = true
	}
}

// Back is what has come back of such keys.
func (t *Traffic) Back() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.back
}

// wronged reports what is wrong with a key, if it may not be back.
func (t *Traffic) wronged(r *record, format string, args ...any) {
	t.mu.Lock()
	back := t.twice[r.name] && r.isGone()
	if back {
		t.back = append(t.back, fmt.Sprintf(format, args...))
	}
	t.mu.Unlock()
	if !back {
		t.report(format, args...)
	}
}

// isGone says that the key was there and is not any more: it was deleted, or its time is over.
func (r *record) isGone() bool {
	return r.seq > 0 && !r.counter && (r.acked == "" || r.ttl > 0 && r.ttl < time.Second)
}
