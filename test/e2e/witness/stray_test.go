package witness

import "testing"

// All keys of a node are in slots of its own.
func TestStrays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		all    int64
		own    []int64
		strays bool
	}{
		"none at all":              {own: []int64{0, 0}},
		"all are its own":          {all: 5, own: []int64{2, 3}},
		"one is in another's slot": {all: 6, own: []int64{2, 3}, strays: true},
		"it owns no slot":          {all: 1, strays: true},
	} {
		if err := strays(c.all, c.own); (err != nil) != c.strays {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, odd := range []any{nil, "QUEUED", []any{}, []any{int64(1), "x"}} {
		if counts, err := numbers(odd); err == nil {
			t.Errorf("EXEC answers %v: %v", odd, counts)
		}
	}
}
