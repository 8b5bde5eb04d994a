package redisnode

import (
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// look is one at a replica: when, how far it was, and whether its link was up.
type look struct {
	after  time.Duration
	offset int64
	up     bool
}

func TestLink(t *testing.T) {
	t.Parallel()
	const second = time.Second
	for name, tc := range map[string]struct {
		looks       []look
		held, fresh bool // at the last
	}{
		"never up":                         {looks: []look{{0, 5, false}}},
		"just came up":                     {looks: []look{{0, 5, true}}, held: true, fresh: true},
		"nothing was sent since":           {looks: []look{{0, 5, true}, {second, 5, true}}, held: true, fresh: true},
		"something was sent":               {looks: []look{{0, 5, true}, {second / 5, 6, true}}, held: true},
		"it has said its first word":       {looks: []look{{0, 5, true}, {firstWord, 5, true}}, held: true},
		"the primary died at once":         {looks: []look{{0, 5, true}, {second, 5, false}}, held: true, fresh: true},
		"the primary died later":           {looks: []look{{0, 5, true}, {second, 6, true}, {2 * second, 6, false}}, held: true},
		"down for long":                    {looks: []look{{0, 5, true}, {firstWord, 5, true}, {7 * second, 5, false}}},
		"up again, copied to once more":    {looks: []look{{0, 5, true}, {second, 6, true}, {2 * second, 6, false}, {3 * second, 9, true}}, held: true, fresh: true},
		"up again, and something was sent": {looks: []look{{0, 5, true}, {second, 5, false}, {2 * second, 9, true}, {3 * second, 10, true}}, held: true},
	} {
		var l link
		var at time.Time
		table := shard(t)
		for i := range table {
			table[i].Flags.Myself = table[i].ID == idB
		}
		for _, look := range tc.looks {
			at = time.Unix(0, 0).Add(look.after)
			l.see(at, &cluster.NodeInfo{Table: table, LinkUp: look.up, ReplOffset: look.offset})
		}
		if held := l.heldAt(at); held != tc.held || l.fresh != tc.fresh {
			t.Errorf("%s: held %v, fresh %v", name, held, l.fresh)
		}
	}
}
