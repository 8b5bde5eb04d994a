package redisnode

import (
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const (
	// syncedWithin is how long ago a replica's link may have been up for its copy to count as that of a primary that
	// has just died. A second passes between two looks; a stale copy is minutes old.
	syncedWithin = 5 * time.Second
	// firstWord is by when a replica has said how far it is after a full sync. Its primary sends it nothing before that
	// (replication.c, repl_start_cmd_stream_on_ack). What it says at once comes before the primary has reaped the child
	// that made the snapshot, and does not count; then it speaks once a second.
	firstWord = 1200 * time.Millisecond
)

// link is what has been seen of a replica's link to its primary. The zero value is none.
type link struct {
	at     time.Time // when it was last up
	since  time.Time // when it came up, as far as was seen; zero: it is down
	offset int64     // how far the replica was then
	fresh  bool      // when it was last up, its primary may not have sent anything yet
}

// see notes how the link is in a look at a redis that answers.
func (l *link) see(at time.Time, info *cluster.NodeInfo) {
	if info.Self().Role != cluster.Replica || !info.LinkUp {
		l.since = time.Time{}
		return
	}
	if l.since.IsZero() {
		l.since, l.offset = at, info.ReplOffset
	}
	l.at = at
	l.fresh = info.ReplOffset == l.offset && at.Sub(l.since) < firstWord
}

// heldAt says whether the link was up until shortly before.
func (l *link) heldAt(at time.Time) bool { return !l.at.IsZero() && at.Sub(l.at) <= syncedWithin }
