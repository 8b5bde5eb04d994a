package controller

import (
	"context"
	"fmt"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// mostAsked is how many looks an agent has to find out what its node has given up.
const mostAsked = 20

// tellGivenUp tells of primaries that were replaced, while they could not be heard, and had taken writes that their
// successor lacks, as their agents count them: what was lost is to be known. Who was a primary by the status that was
// written before, and is a replica by the view, is asked until its agent knows.
func (c *Controller) tellGivenUp(ctx context.Context, t target) {
	for _, was := range t.rc.Status.Nodes {
		id := cluster.NodeID(was.ID)
		if m, there := t.view.Member(id); there && was.Role == redisv1.RoleMaster && m.Role() == cluster.Replica {
			t.ledger.demoted[id] = 0
		}
	}
	for id, asked := range t.ledger.demoted {
		m, there := t.view.Member(id)
		if asked++; !there || m.Role() != cluster.Replica || t.access.agents == nil || asked > mostAsked {
			delete(t.ledger.demoted, id)
			continue
		}
		t.ledger.demoted[id] = asked
		status, err := askAgent(ctx, t.access, m.Pod.IP)
		if err != nil || status.GivenUp == nil || cluster.NodeID(status.GivenUp.PrimaryID) != m.Follows() {
			continue
		}
		delete(t.ledger.demoted, id)
		if lost := status.GivenUp.Bytes; lost > 0 {
			c.Events.Warning(t.rc, redisv1.EventWritesGivenUp, fmt.Sprintf("%s had taken about %d bytes of writes that node %s,"+
				" which had taken its place, does not have: they are lost", m.Pod.Name, lost, m.Follows().Short()))
		}
	}
}
