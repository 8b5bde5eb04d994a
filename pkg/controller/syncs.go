package controller

import (
	"fmt"
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// loopAfter is so many copies of everything that are begun for a replica, without it coming into sync: one is what it
// takes, and a connection may break.
const loopAfter = 3

// copying is since when a replica is not in sync.
type copying struct {
	primary cluster.NodeID
	given   int64 // copies that its primary had begun to give by then
}

// countSyncs says which replicas are copied to again and again, because more is written meanwhile than the backlog or
// the replica's buffer holds. Redis says nothing of it but in its log, and the copy that is always being made is none.
func (l *ledger) countSyncs(v cluster.View) []string {
	before := l.copying
	l.copying = map[cluster.NodeID]copying{}
	var loops []string
	shards := v.Shards()
	for i := range shards {
		primary := shards[i].Primary
		behind := slices.DeleteFunc(slices.Clone(shards[i].Replicas), func(m cluster.Member) bool {
			return m.Info == nil || m.Info.LinkUp
		})
		if primary.Info == nil {
			continue
		}
		for _, m := range behind {
			since, known := before[m.ID()]
			if !known || since.primary != primary.ID() || since.given > primary.Info.FullSyncs {
				since = copying{primary.ID(), primary.Info.FullSyncs}
			}
			l.copying[m.ID()] = since
			if given := primary.Info.FullSyncs - since.given; given >= int64(loopAfter*len(behind)) {
				loops = append(loops, loopMessage(m, primary, given))
			}
		}
	}
	return loops
}

func loopMessage(m, primary cluster.Member, given int64) string {
	return fmt.Sprintf("%s is not in sync after %d copies of all data of %s: more is written meanwhile than is kept for "+
		"it; raise repl-backlog-size and client-output-buffer-limit in spec.config", m.Pod.Name, given, primary.Pod.Name)
}
