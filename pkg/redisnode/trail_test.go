package redisnode

import (
	"testing"
	"time"
)

func TestTrail(t *testing.T) {
	t.Parallel()
	type mark struct {
		millis int
		offset int64
	}
	for name, c := range map[string]struct {
		marks     []mark
		last, due int64
	}{
		"never seen":                    {},
		"seen once":                     {marks: []mark{{0, 5}}, last: 5},
		"for less than a second":        {marks: []mark{{0, 5}, {900, 9}}, last: 9},
		"a second ago":                  {marks: []mark{{0, 5}, {1000, 9}}, last: 9, due: 5},
		"the last that is a second old": {marks: []mark{{0, 5}, {1000, 9}, {2000, 12}}, last: 12, due: 9},
		"looked at often":               {marks: []mark{{0, 5}, {100, 6}, {200, 7}, {300, 8}, {400, 9}, {1250, 20}}, last: 20, due: 7},
		"not looked at for long":        {marks: []mark{{0, 5}, {60000, 9}}, last: 9, due: 5},
		"another stream":                {marks: []mark{{0, 500}, {1000, 900}, {2000, 12}}, last: 12},
	} {
		var tr trail
		for _, m := range c.marks {
			tr.see(time.Unix(0, 0).Add(time.Duration(m.millis)*time.Millisecond), m.offset)
		}
		if tr.last() != c.last || tr.due() != c.due {
			t.Errorf("%s: last %d, due %d; want %d, %d", name, tr.last(), tr.due(), c.last, c.due)
		}
	}
}
