package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// roomToTakeOver is the part of a volume that is free where a copy is to take over from one whose volume is full. Both
// have the same data: with less the copy would soon be where its primary is.
const roomToTakeOver = 0.1

// relievePrimary has a primary that refuses writes, since it cannot write to its volume, hand over to a copy that can.
// A server with a full disk ends when it hears of that, since it cannot write its nodes.conf: its shard has one copy
// less until there is room, and takes writes again.
// Invariant: it is handed over to nobody who cannot write either, or has hardly more room: that comes to an end, and
// what cannot be helped by it stays as it is, with both copies.
func relievePrimary(_ Wanted, v cluster.View) (Decision, bool) {
	for _, s := range v.Shards() {
		if !s.Primary.Live() || !s.Primary.RefusesWrites {
			continue
		}
		heirs := slices.DeleteFunc(s.Synced(), func(m cluster.Member) bool {
			return m.Info.WriteFault != "" || m.Room.FreeShare() < roomToTakeOver
		})
		if len(heirs) == 0 {
			continue
		}
		heir := slices.MaxFunc(heirs, func(a, b cluster.Member) int { return cmp.Compare(a.Room.Free, b.Room.Free) })
		return Decision{
			Step:   Failover{Pod: heir.Pod.Name, Node: heir.ID(), Primary: s.ID, Mode: HandOver},
			Reason: PromotingReplica,
			Message: fmt.Sprintf("%s hands over to %s: it refuses writes, since it cannot write to its volume (%s)",
				s.Primary.Pod.Name, heir.Pod.Name, s.Primary.Info.WriteFault),
			Requeue: requeueForming,
		}, true
	}
	return Decision{}, false
}
