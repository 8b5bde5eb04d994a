package redisnode

import (
	"context"
	"time"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const (
	// silentLink is how long a primary says nothing before its agent is asked why. What is written it sends at once; when
	// nothing is, it sends a PING every ten seconds (repl-ping-replica-period).
	silentLink = 3 * time.Second
	// relinkInterval is how long after it was asked a primary's word has to be here, if its connection works.
	relinkInterval = time.Second
)

// keepLink has redis connect to its primary anew when the connection is dead and the primary is not. After a network
// was cut and is whole again, the kernels send on an old connection only when their next try is due: the longer the cut
// was, the later, up to as long again. To Redis that link is up for a minute (repl-timeout), and the replica may be
// elected with all that is missing: of a primary that lost its power three seconds after a cut of 40 s, 39 s of writes
// went.
func (a *Agent) keepLink(ctx context.Context) {
	var said *agent.Status // by a primary that is silent, when it was last asked
	for pause(ctx, a.opts.Clock, relinkInterval) == nil {
		look, _ := a.node.latest()
		if !silent(look) {
			said = nil
			continue
		}
		if said != nil && behind(a.node.look(ctx), *said) {
			a.relink(ctx)
			said = nil
			continue
		}
		said = a.primaryStatus(ctx, look.info.Table)
	}
}

// silent says that the node is a replica whose link is up, and that it has heard nothing over it for a while.
func silent(look snapshot) bool {
	return look.info != nil && look.info.Self().Role == cluster.Replica && look.info.LinkUp &&
		look.info.LinkSilent >= silentLink
}

// behind says that a replica has heard nothing yet of what its primary had a while ago. It is pure.
func behind(look snapshot, said agent.Status) bool {
	return silent(look) && cluster.NodeID(said.NodeID) == look.info.Self().PrimaryID && said.Role == rolePrimary &&
		said.Stream != nil && said.Stream.ID == look.info.Stream.ID && look.info.ReplOffset < said.ReplOffset
}

// primaryStatus is what the agent of the node's primary says now; nil when it does not answer.
func (a *Agent) primaryStatus(ctx context.Context, table cluster.Table) *agent.Status {
	self, _ := table.Self()
	primary, err := a.findPrimary(ctx, table, self.PrimaryID)
	if err != nil {
		glog.V(4).Infof("%s: the primary is silent: %v", &a.opts, err)
		return nil
	}
	return &primary.Status
}

func (a *Agent) relink(ctx context.Context) {
	ep, err := a.endpoint()
	if err == nil {
		err = a.clients.Relink(ctx, ep)
	}
	if err != nil {
		glog.Warningf("%s: %v", &a.opts, err)
		return
	}
	glog.Infof("%s: nothing came over the link to the primary, which answers, and has more: it is made anew", &a.opts)
}
