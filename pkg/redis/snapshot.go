package redis

import (
	"context"
	"time"
)

const (
	// snapshotAge is how old a snapshot may be to count as one of now: it was begun at this look, or at the one before.
	snapshotAge = time.Minute
	// snapshotWait bounds one call: who asks comes back.
	snapshotWait = 2 * time.Second
	snapshotPoll = 20 * time.Millisecond
)

// Snapshot says whether the node has written a snapshot within the last minute, by its own clock. Where it has not, one
// is begun, once, and given two seconds: a larger one is done when it is asked for again.
func (c *Clients) Snapshot(ctx context.Context, ep Endpoint) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, snapshotWait)
	defer cancel()
	for begun := false; ; begun = true {
		done, err := c.snapshot(ctx, ep, begun)
		if done || err != nil {
			return done, err
		}
		if !pause(ctx, snapshotPoll) {
			return false, nil
		}
	}
}

// snapshot looks once, and begins a snapshot where there is none, unless one was begun.
func (c *Clients) snapshot(ctx context.Context, ep Endpoint, begun bool) (done bool, err error) {
	err = c.call(ctx, ep, "snapshot", func(ctx context.Context) error {
		replies, failed := c.do(ctx, ep, command{"INFO", "server", "persistence"})
		if failed != nil {
			return failed
		}
		said := parseInfo(replies[0].text)
		done = said.savedWithin(snapshotAge)
		if done || begun || said["rdb_bgsave_in_progress"] == "1" {
			return nil
		}
		// One that writes its append-only file anew does this afterwards.
		_, failed = c.do(ctx, ep, command{"BGSAVE", "SCHEDULE"})
		return failed
	})
	return done, err
}

// savedWithin says whether this process has written a snapshot that is not older. A server that has just started calls
// that its last one, and those that it has sent to replicas do not count.
func (f info) savedWithin(age time.Duration) bool {
	at, now := f.number("rdb_last_save_time"), f.number("server_time_usec")/int64(time.Second/time.Microsecond)
	return f.number("rdb_saves") > 0 && f["rdb_bgsave_in_progress"] == "0" && f["rdb_last_bgsave_status"] == "ok" &&
		now-at <= int64(age/time.Second)
}
