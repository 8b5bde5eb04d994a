package redis

import (
	"context"
	"sync"
	"time"
)

// umpire settles which copy counts of keys that are at both ends of a move.
//
// While the marks stand and the owner has not been replaced, a key that the owner has is served by the owner: its
// copy is the live one, and the guest's is what a command that was cut has left. An owner that has taken the place
// of the one that keys were moved from may have copies of keys that are long gone, because deletions had not reached
// it, and may have served them.
type umpire struct {
	carrier      *carrier // from the owner to the guest
	mu           sync.Mutex
	owner, guest *wire
}

func newUmpire(c *carrier) *umpire {
	return &umpire{
		carrier: c,
		owner:   c.from.c.newWire(c.from.Endpoint), guest: c.to.c.newWire(c.to.Endpoint),
	}
}

func (u *umpire) close() {
	u.owner.close()
	u.guest.close()
}

// replace lets the keys be sent over the guest's copies.
func (*umpire) replace(context.Context, *slotWork) error { return nil }

// screen settles the keys that are at both ends, before any is sent: to send a key is to use it, and then nobody can
// tell when it was used before.
func (u *umpire) screen(ctx context.Context, works []*slotWork) (int64, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	var settled int64
	for _, w := range works {
		for from := 0; from < w.keys.len(); from += sizesAtOnce {
			both, err := u.atBoth(ctx, w, from, min(from+sizesAtOnce, w.keys.len()))
			if err != nil {
				return settled, err
			}
			for _, i := range both {
				if err = u.settle(ctx, w.keys.words(i, i+1)); err != nil {
					return settled, err
				}
				settled++
			}
		}
	}
	return settled, nil
}

// atBoth are those of some keys of the owner that the guest has, too.
func (u *umpire) atBoth(ctx context.Context, w *slotWork, from, to int) ([]int, error) {
	p := &packet{}
	for i := from; i < to; i++ {
		p.add("ASKING")
		p.begin(2)
		p.word("EXISTS")
		p.raw(w.keys.words(i, i+1))
	}
	got, err := u.guest.ask(ctx, "exists", p)
	if err != nil {
		return nil, err
	}
	var both []int
	for i := from; i < to; i++ {
		if got.list[2*(i-from)+1].number > 0 {
			both = append(both, i)
		}
	}
	return both, nil
}

// judge settles every key that is known of the slot.
func (u *umpire) judge(ctx context.Context, w *slotWork) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := range w.keys.len() {
		if err := u.settle(ctx, w.keys.words(i, i+1)); err != nil {
			return err
		}
	}
	w.keys, w.sizes, w.next, w.conflict = keyList{}, nil, 0, false
	return nil
}

// settle has a key at the guest alone.
func (u *umpire) settle(ctx context.Context, key []byte) error {
	mine, err := u.copyOf(ctx, u.owner, key, "WATCH")
	if err != nil {
		return err
	}
	other, err := u.copyOf(ctx, u.guest, key, "ASKING")
	if err != nil {
		return err
	}
	if other.newerThan(mine) {
		return u.giveUp(ctx, key)
	}
	return u.send(ctx, key)
}

// yield deletes the owner's copies of keys of which the guest's count.
func (u *umpire) yield(ctx context.Context, keys *keyList, guests []keyCopy) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i, other := range guests {
		key := keys.words(i, i+1)
		if other.idle >= 0 {
			// It was asked before the owner is, and both answer in whole seconds: what looks like one may be nothing.
			other.idle++
		}
		mine, err := u.copyOf(ctx, u.owner, key, "WATCH")
		if err == nil && other.newerThan(mine) {
			err = u.giveUp(ctx, key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// send gives the guest the owner's copy.
func (u *umpire) send(ctx context.Context, key []byte) error {
	p := &packet{}
	p.add("UNWATCH")
	w := &slotWork{keys: keyList{raw: key, ends: []int{len(key)}}, conflict: true}
	limit := u.carrier.patience(1, u.carrier.options.MaxKeyBytes)
	u.carrier.migrate(p, batchPart{work: w, to: 1}, limit)
	got, err := u.owner.exchange(ctx, 2*limit+afterPatience, p)
	if err != nil {
		return failed("migrate", u.owner.ep, err)
	}
	if err = got.firstErr(); err != nil {
		return u.carrier.verdict(err)
	}
	return nil
}

// giveUp deletes the owner's copy, unless somebody has written to it since it was looked at.
func (u *umpire) giveUp(ctx context.Context, key []byte) error {
	p := &packet{}
	p.add("MULTI")
	p.begin(2)
	p.word("UNLINK")
	p.raw(key)
	p.add("EXEC")
	_, err := u.owner.exchange(ctx, u.owner.c.dialer.CommandTimeout, p)
	return failed("unlink", u.owner.ep, err)
}

// keyCopy is one of the copies of a key.
type keyCopy struct {
	dump   string // "": none
	expiry int64
	idle   int64 // seconds since it was last used; negative when the server does not say
}

// sameExpiry is how far the times may be apart at which two copies of a key that was moved expire.
const sameExpiry = time.Second

// newerThan says whether this copy is another than the owner's, and has been used since the owner's was.
func (k keyCopy) newerThan(owner keyCopy) bool {
	// What a key has left to live is rounded when it moves.
	lives := max(k.expiry-owner.expiry, owner.expiry-k.expiry) <= sameExpiry.Milliseconds()
	differs := k.dump != "" && owner.dump != "" && (k.dump != owner.dump || !lives)
	return differs && k.idle >= 0 && owner.idle >= 0 && k.idle < owner.idle
}

// copyOf looks at a node's copy. The idle time comes first: to look at a key is to use it.
func (u *umpire) copyOf(ctx context.Context, node *wire, key []byte, before string) (keyCopy, error) {
	p := &packet{}
	if before == "WATCH" {
		p.begin(2)
		p.word(before)
		p.raw(key)
	}
	questions := [][]string{{"OBJECT", "IDLETIME"}, {"PEXPIRETIME"}, {"DUMP"}}
	var at []int
	for _, words := range questions {
		if before == "ASKING" {
			p.add(before)
		}
		at = append(at, p.count)
		p.begin(len(words) + 1)
		for _, word := range words {
			p.word(word)
		}
		p.raw(key)
	}
	got, err := node.exchange(ctx, node.c.dialer.CommandTimeout, p)
	if err != nil {
		return keyCopy{}, failed("dump", node.ep, err)
	}
	idle, expiry, dump := got.list[at[0]], got.list[at[1]], got.list[at[2]]
	if err := dump.err; err != nil && !isRedirect(err) {
		return keyCopy{}, failed("dump", node.ep, err)
	}
	found := keyCopy{dump: dump.text, expiry: expiry.number, idle: idle.number}
	if idle.err != nil || idle.null {
		found.idle = -1
	}
	return found, nil
}
