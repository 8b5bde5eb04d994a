package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Draw is one fault as it was drawn: everything about it that is left to chance. Who has which role, and which pod runs
// where, shows only when it happens.
type Draw struct {
	Kind string
	// Shard is whose primary, or replica, is hit by what hits a pod.
	Shard   int
	Replica bool
	// Node is what hits nodes hits, counted from 1; 0: the one that this pod runs on. Beyond is 1 or 2: how many nodes
	// further the other one is, of what takes two.
	Node, Beyond int
	// Hold is how long it stays broken.
	Hold time.Duration
	// Rest is how long all has been whole before.
	Rest time.Duration
	// AtOnce says that the next fault does not wait until this one has healed.
	AtOnce bool
}

// String is "power-off (shard 1's primary, or its node) for 25s, after a rest of 1.2s".
func (d Draw) String() string {
	role := "primary"
	if d.Replica {
		role = "replica"
	}
	text := fmt.Sprintf("%s (shard %d's %s, or its node, and the one %d further)", d.Kind, d.Shard, role, d.Beyond)
	if d.Hold > 0 {
		text += " for " + d.Hold.String()
	}
	text += ", after a rest of " + d.Rest.String()
	if d.AtOnce {
		text += "; the next one does not wait"
	}
	return text
}

// Deck holds every kind once, shuffled, and is shuffled anew when it is empty: a short run meets many kinds.
type Deck struct {
	random  *rand.Rand
	kinds   []Kind
	left    []Kind
	volumes bool
}

// NewDeck makes the deck of a seed, of all kinds, or of these only.
func NewDeck(seed uint64, volumes bool, only ...string) *Deck {
	d := &Deck{random: rand.New(rand.NewPCG(seed, 4)), volumes: volumes} //nolint:gosec // to be repeated
	for _, k := range Kinds() {
		if (volumes || !k.Volumes) && (len(only) == 0 || slices.Contains(only, k.Name)) {
			d.kinds = append(d.kinds, k)
		}
	}
	return d
}

// Next draws a fault.
func (d *Deck) Next() Draw {
	if len(d.left) == 0 {
		for _, i := range d.random.Perm(len(d.kinds)) {
			d.left = append(d.left, d.kinds[i])
		}
	}
	k := d.left[0]
	d.left = d.left[1:]
	draw := Draw{
		Kind: k.Name, Shard: d.random.IntN(Shards), Replica: d.random.IntN(4) == 0,
		Beyond: 1 + d.random.IntN(Nodes-1), Rest: time.Duration(d.random.IntN(3000)) * time.Millisecond,
	}
	if len(k.Holds) > 0 {
		draw.Hold = k.Holds[d.random.IntN(len(k.Holds))]
	}
	// One in five, and never where both copies of a shard could be gone by it.
	hurry := d.random.IntN(5) == 0
	draw.AtOnce = hurry && d.volumes && !k.Alone && len(d.left) > 0 && !d.left[0].Alone
	return draw
}
