package redisnode

import (
	"context"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// reign is how far the stream of writes is that this node takes as a primary. The zero value is none.
type reign struct {
	stream string
	offset int64
}

// see learns from a look. Who has been replaced is as far as it was, until it gets something from its successor.
func (r *reign) see(info *cluster.NodeInfo) {
	self := info.Self()
	switch {
	case self.Role == cluster.Primary && self.Slots.IsEmpty():
		*r = reign{} // what it had went with its slots
	case self.Role == cluster.Primary:
		*r = reign{info.Stream.ID, info.ReplOffset}
	case info.Stream.ID == r.stream:
		r.offset = max(r.offset, info.ReplOffset)
	}
}

// mostAsked is how often a successor is asked: an agent of before does not know what it is asked.
const mostAsked = 30

// countGivenUp counts the writes that this node had taken as a primary, and that who has taken its place does not have:
// after a partition, or when its process was stopped for long. They go when it copies its new primary. It is the least
// that can be: what came after the last look, up to a second before, is not in it. And it is said of nodes whose
// process lives on; of one that has died nobody has heard how far it had come.
func (a *Agent) countGivenUp(ctx context.Context, look snapshot) {
	if look.info == nil {
		return
	}
	self := look.info.Self()
	if self.Role == cluster.Primary {
		a.givenUp.Store(nil)
		a.askedGivenUp = 0
		return
	}
	was := a.node.reigned()
	if was.stream == "" {
		return
	}
	successor, err := a.findPrimary(ctx, look.info.Table, self.PrimaryID)
	if a.askedGivenUp++; (err != nil || successor.Status.Stream == nil) && a.askedGivenUp < mostAsked {
		return // it is asked again at the next look
	}
	a.node.endReign(was)
	if has := successor.Status.Stream; has != nil && has.FormerID == was.stream {
		lacks := max(0, was.offset-has.FormerEnd)
		a.givenUp.Store(&agent.GivenUp{PrimaryID: string(self.PrimaryID), At: a.opts.Clock.Now(), Bytes: lacks})
		glog.Infof("%s: follows %s, which lacks %d bytes of this node's writes", &a.opts, self.PrimaryID.Short(), lacks)
		return
	}
	glog.Infof("%s: follows %s, which does not say how far it was in this node's writes", &a.opts, self.PrimaryID.Short())
}

// reigned is how far the node came as a primary, when nobody has said yet what its successor has of that.
func (m *monitor) reigned() reign {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reign
}

// endReign says that it is known of this reign.
func (m *monitor) endReign(r reign) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.reign.stream == r.stream {
		m.reign = reign{}
	}
}
