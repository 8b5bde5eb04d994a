package redistest

import (
	"testing"
	"time"
)

// Only a key that a crash left at both ends may be back, and only when it had gone.
func TestWronged(t *testing.T) {
	t.Parallel()
	tr := &Traffic{}
	tr.Twice([]string{"twice"})
	for name, tc := range map[string]struct {
		r    record
		back bool
	}{
		"deleted":                   {record{name: "twice", seq: 1}, true},
		"its time was over":         {record{name: "twice", seq: 1, acked: "a", ttl: time.Second / 2}, true},
		"deleted, and was once":     {record{name: "once", seq: 1}, false},
		"there, with another value": {record{name: "twice", seq: 1, acked: "a"}, false},
		"there for long":            {record{name: "twice", seq: 1, acked: "a", ttl: time.Minute}, false},
		"never written":             {record{name: "twice"}, false},
		"counted":                   {record{name: "twice", seq: 1, counter: true}, false},
	} {
		back, wrong := len(tr.Back()), len(tr.wrong)
		tr.wronged(&tc.r, "%s", name)
		if got := len(tr.Back()) > back; got != tc.back || got == (len(tr.wrong) > wrong) {
			t.Errorf("%s: back %q, wrong %q", name, tr.Back(), tr.wrong)
		}
	}
}
