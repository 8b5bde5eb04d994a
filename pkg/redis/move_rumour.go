package redis

import (
	"context"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// rumourBound is how long a message of a node may be on its way, of before it took slots.
const rumourBound = 200 * time.Millisecond

// hear has the target know that the source owns what it does, before it imports from it.
//
// A Valkey that imports a slot takes it for its own, with a new epoch, as soon as a message of the source does not
// claim it (clusterUpdateSlotsConfigWith, 8.0 and later: the last step of the migration is thought to have been
// missed). When the source has only just taken the slot itself, such a message may be of before that. The source then
// deletes what it has in the slot: keys that it has not sent yet are lost.
//
// So the target must have heard of the source's epoch, which is new with what it has taken, and what is older, on the
// other connection between the two, must have come. What took slots before this process was there did so long ago.
func (p *pair) hear(ctx context.Context) error {
	if !p.to.isValkey() {
		return nil
	}
	if left := rumourBound - p.c.sinceClaim(p.from.ID); left > 0 && !pause(ctx, left) {
		return ctx.Err()
	}
	for end := timeNow().Add(gossipBound); ; {
		source, known := p.to.info.Table.Find(p.from.ID)
		theirs := p.from.info.Self().ConfigEpoch
		if !known || source.ConfigEpoch >= theirs {
			return nil // a source that is not known at all is found out by introduce
		}
		if !timeNow().Before(end) || !pause(ctx, gossipInterval) {
			return failed("move slots to", p.to.Endpoint,
				errorf(ErrUnknownNode, "it has not heard of epoch %d of %s", theirs, p.from.ID.Short()))
		}
		if err := p.to.look(ctx); err != nil {
			return err
		}
	}
}

// claimed notes that a node has taken slots just now.
func (c *Clients) claimed(id cluster.NodeID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.claims[id] = timeNow()
}

// sinceClaim is how long ago that was; very long when it has not been here.
func (c *Clients) sinceClaim(id cluster.NodeID) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return timeNow().Sub(c.claims[id])
}
