package controller

import (
	"context"
	"fmt"

	"github.com/redisoperator/redis-operator/pkg/agent"
	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// tellTakeOvers tells of replicas that have taken over since the status was last written, as their agents tell of it:
// that needs no operator, and what a takeover may have lost is to be known. Who was a replica by the status that was
// written before, and is a primary by the view, is asked; so each is told once.
func (c *Controller) tellTakeOvers(ctx context.Context, t target) {
	for _, was := range t.rc.Status.Nodes {
		m, _ := t.view.Member(cluster.NodeID(was.ID))
		if was.Role != redisv1.RoleReplica || m.Info == nil || !m.OwnsSlots() || t.access.agents == nil {
			continue
		}
		status, err := askAgent(ctx, t.access, m.Pod.IP)
		last := status.LastTakeOver
		if err != nil || last == nil || last.PrimaryID != was.MasterRef || last.Mode != agent.PromoteTakeover {
			continue
		}
		c.Events.Warning(t.rc, redisv1.EventTookOver, fmt.Sprintf("%s took over from node %s in %d ms; %s", m.Pod.Name,
			cluster.NodeID(last.PrimaryID).Short(), last.Millis, gapOf(last.OffsetGap)))
	}
}

func gapOf(bytes int64) string {
	if bytes == 0 {
		return "it had all writes that are known of"
	}
	return fmt.Sprintf("at least %d bytes of writes had not reached it, and are lost", bytes)
}
