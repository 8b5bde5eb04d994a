package witness

import "testing"

// All keys of a node are in slots of its own; keys that come and go while they are counted say nothing.
func TestStrays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		counts       []int64 // all, those of its slots, all
		done, strays bool
	}{
		"none at all":              {counts: []int64{0, 0, 0, 0}, done: true},
		"all are its own":          {counts: []int64{5, 2, 3, 5}, done: true},
		"one is in another's slot": {counts: []int64{6, 2, 3, 6}, done: true, strays: true},
		"it owns no slot":          {counts: []int64{1, 1}, done: true, strays: true},
		"one expired meanwhile":    {counts: []int64{6, 2, 3, 5}},
		"one came for one astray":  {counts: []int64{6, 2, 4, 7}},
	} {
		if done, err := strays(c.counts); done != c.done || (err != nil) != c.strays {
			t.Errorf("%s: %t, %v", name, done, err)
		}
	}
}
