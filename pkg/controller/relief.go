package controller

import (
	"context"
	"fmt"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// explainVolume says of a node that could not write to its volume whether it refuses writes for that, how much room
// there is by its agent's word, and both for a person. The share is rounded: what changes at every look would be
// written at every look.
func (c *Controller) explainVolume(ctx context.Context, a access, m *cluster.Member) {
	m.RefusesWrites = c.refusesWrites(ctx, a, *m)
	m.Room = roomOf(ctx, a, *m)
	m.VolumeFault = fmt.Sprintf("it could not write to its volume (%s)", m.Info.WriteFault)
	if m.Room.Bytes > 0 {
		m.VolumeFault += fmt.Sprintf(", of which %d%% are free", int(100*m.Room.FreeShare()))
	}
	if m.RefusesWrites {
		m.VolumeFault += "; redis refuses writes until it can"
	}
}

// refusesWrites is the servers' own rule (server.c, writeCommandsDeniedByDiskError): always when the append-only file
// cannot be written, and after a snapshot that failed where there are to be some and it is told to. One that does not
// say is asked again at the next look.
func (c *Controller) refusesWrites(ctx context.Context, a access, m cluster.Member) bool {
	switch m.Info.WriteFault {
	case "aof_last_write_status:err":
		return true
	case "rdb_last_bgsave_status:err":
		live, err := c.Settings.Settings(ctx, endpoint(m.Pod.IP, a))
		return err == nil && live["save"] != "" && live["stop-writes-on-bgsave-error"] == "yes"
	}
	return false
}

// findRoom asks about the volumes of those who may take over from a node that refuses writes.
func (c *Controller) findRoom(ctx context.Context, a access, view cluster.View) {
	full := map[cluster.NodeID]bool{}
	for _, m := range view.Members {
		if m.RefusesWrites {
			full[m.ID()] = true
		}
	}
	var asked []int
	for i, m := range view.Members {
		if m.Seen() && full[m.Follows()] && m.Info.WriteFault == "" {
			asked = append(asked, i)
		}
	}
	_ = each(ctx, asked, func(ctx context.Context, i int) error {
		view.Members[i].Room = roomOf(ctx, a, view.Members[i])
		return nil
	})
}

// roomOf is not known when the agent does not say, or is another pod's.
func roomOf(ctx context.Context, a access, m cluster.Member) cluster.Room {
	status, err := askAgent(ctx, a, m.Pod.IP)
	if err != nil || status.PodUID != m.Pod.UID || status.Volume == nil {
		return cluster.Room{}
	}
	return cluster.Room{Bytes: status.Volume.Bytes, Free: status.Volume.Free}
}
