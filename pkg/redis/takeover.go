package redis

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// heirScript takes over unless it is late. Its own server looks at the clock, when it comes to it: one that was
// stopped finds what it was sent before, and would carry it out, however long ago that was.
const heirScript = `local now = redis.call('TIME')
if now[1] * 1000 + now[2] / 1000 > tonumber(ARGV[1]) then
  return redis.error_reply('LATE the time to take over has passed')
end
return redis.call('CLUSTER', 'FAILOVER', 'TAKEOVER')`

// Leaving are slots that a primary was giving to another node when its place was taken.
type Leaving struct {
	Slots cluster.SlotSet
	To    cluster.NodeID
}

// TakeOver is Failover with Takeover, by a replica that goes on with what its primary was giving away.
//
// Only Valkey 8 and later tell replicas of slots that are on their way. Elsewhere a replica that took over would not
// know that some keys are at the target by now: it would answer that there are none, and take writes to them beside
// the others. The marks are set in the same go, before the server turns to another client. ErrNotMarked says that it
// has taken over, and could not set them all.
func (c *Clients) TakeOver(ctx context.Context, ep Endpoint, leaving []Leaving) error {
	return c.call(ctx, ep, "take over", func(ctx context.Context) error {
		return c.takeOver(ctx, ep, Takeover.command(), leaving)
	})
}

// TakeOverBefore is TakeOver by a replica whose primary lives and takes no writes until a time, after which it must not
// be done any more: then it is ErrLate. After any other error it may have been done, and if so before that time. The
// clock is the server's own. A node that is a primary already is none: the connection broke, and it was sent again.
func (c *Clients) TakeOverBefore(ctx context.Context, ep Endpoint, before time.Time, leaving []Leaving) error {
	return c.call(ctx, ep, "take over", func(ctx context.Context) error {
		order := command{"EVAL", heirScript, "0", strconv.FormatInt(before.UnixMilli(), 10)}
		err := c.takeOver(ctx, ep, order, leaving)
		if errors.Is(err, ErrNotReplica) {
			return nil
		}
		return err
	})
}

func (c *Clients) takeOver(ctx context.Context, ep Endpoint, order command, leaving []Leaving) error {
	orders := []command{order}
	for _, l := range leaving {
		for slot := range l.Slots.All() {
			orders = append(orders, command{"CLUSTER", "SETSLOT", strconv.Itoa(int(slot)), "MIGRATING", string(l.To)})
		}
	}
	replies, err := c.exchange(ctx, ep, orders...)
	if err != nil {
		return err
	}
	if err := firstError(replies[:1]); err != nil {
		return err
	}
	if err := firstError(replies[1:]); err != nil {
		return errorf(ErrNotMarked, "%v", err)
	}
	return nil
}
