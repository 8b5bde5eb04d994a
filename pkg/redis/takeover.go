package redis

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// heirScript takes over unless it is late. Its own server looks at the clock, when it comes to it: one that was
// stopped finds what it was sent before, and would carry it out, however long ago that was.
const heirScript = `local now = redis.call('TIME')
if now[1] * 1000 + now[2] / 1000 > tonumber(ARGV[1]) then
  return redis.error_reply('LATE the time to take over has passed')
end
return redis.call('CLUSTER', 'FAILOVER', 'TAKEOVER')`

// TakeOverBefore is Failover with Takeover, by a replica whose primary lives and takes no writes until a time, after
// which it must not be done any more: then it is ErrLate. After any error it may have been done, and if so before that
// time. The clock is the server's own.
func (c *Clients) TakeOverBefore(ctx context.Context, ep Endpoint, before time.Time) error {
	return c.call(ctx, ep, "take over", func(ctx context.Context) error {
		_, err := c.do(ctx, ep, command{"EVAL", heirScript, "0", strconv.FormatInt(before.UnixMilli(), 10)})
		if errors.Is(err, ErrNotReplica) { // The connection broke, and it was sent again.
			return nil
		}
		return err
	})
}
