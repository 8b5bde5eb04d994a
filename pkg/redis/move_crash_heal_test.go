package redis_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// heal waits until every shard has one primary, all agree on who owns what, and every replica is in sync.
func (w *world) heal() {
	w.tb.Helper()
	redistest.Eventually(w.tb, time.Minute, func() error {
		var errs []error
		owners := map[cluster.NodeID]cluster.SlotSet{}
		var infos []*cluster.NodeInfo
		for i, o := range w.Clients.ObserveAll(w.tb.Context(), w.Endpoints()) {
			if o.Err != nil {
				return o.Err
			}
			self := o.Info.Self()
			if !o.Info.StateOK || !o.Info.LinkUp {
				errs = append(errs, fmt.Errorf("server %d: ok %v, link %v", i, o.Info.StateOK, o.Info.LinkUp))
			}
			if self.Role == cluster.Primary {
				owners[self.ID] = self.Slots
			}
			infos = append(infos, o.Info)
		}
		if len(owners) != shards {
			errs = append(errs, fmt.Errorf("%d primaries", len(owners)), w.follow(infos))
		}
		for i, info := range infos {
			// What a node imports it believes to be where it was, whatever it is told.
			var imported cluster.SlotSet
			for _, open := range info.Self().Open {
				imported = imported.Add(open.Slot)
			}
			for id, slots := range owners {
				node, _ := info.Table.Find(id)
				if node.Slots.Minus(imported) != slots.Minus(imported) || node.Role != cluster.Primary {
					errs = append(errs, fmt.Errorf("server %d does not know what %s has", i, id.Short()))
				}
			}
		}
		return errors.Join(errs...)
	})
}

// follow has a primary without slots follow the other node of its shard. One that has lost only some of its slots to
// who took its place does not do it by itself; and one that died with slots that nobody knew of yet still has them.
func (w *world) follow(infos []*cluster.NodeInfo) error {
	for i, info := range infos {
		self, other := info.Self(), infos[w.twin(i)].Self()
		if self.Role != cluster.Primary || other.Role != cluster.Primary || self.Slots.Len() > other.Slots.Len() {
			continue
		}
		if self.Slots.IsEmpty() {
			return w.Clients.Replicate(w.tb.Context(), w.Servers[i].Endpoint(), other.ID)
		}
		move := redis.SlotMove{From: w.End(w.tb, i), To: w.End(w.tb, w.twin(i)), Slots: self.Slots}
		_, err := w.Clients.MoveSlots(w.tb.Context(), []redis.SlotMove{move}, classic)
		return err
	}
	return nil
}

// closeAll closes what is open, by what the tables say: on in the same direction, or sometimes back.
func (w *world) closeAll(o redis.MoveOptions) (conflicts int64) {
	w.tb.Helper()
	back := w.rand.IntN(4) == 0
	redistest.Eventually(w.tb, time.Minute, func() error {
		finish, clear, err := w.opened()
		if err != nil || len(finish)+len(clear) == 0 {
			return err
		}
		for _, c := range clear {
			if err = w.Clients.ClearSlots(w.tb.Context(), c.at, c.slots, c.owner); err != nil {
				return err
			}
		}
		do := w.Clients.MoveSlots
		if back {
			do = w.Clients.UndoMoves
		}
		moved, err := do(w.tb.Context(), finish, o)
		for _, m := range moved {
			conflicts += m.Conflicts
		}
		if err != nil {
			return err
		}
		return errors.New("look again")
	})
	return conflicts
}

// stale is marks that go.
type stale struct {
	at    redis.Endpoint
	slots cluster.SlotSet
	owner cluster.NodeID
}

// opened is what the tables say is open, and what has to be done about it.
func (w *world) opened() (finish []redis.SlotMove, clear []stale, err error) {
	leaders := [shards]*cluster.NodeInfo{}
	shardOf := map[cluster.NodeID]int{}
	for i, id := range w.IDs {
		shardOf[id] = i % shards
	}
	at := [shards]int{}
	owner := map[cluster.Slot]int{}
	for shard := range shards {
		at[shard] = w.primary(shard)
		if leaders[shard], err = w.Clients.Observe(w.tb.Context(), w.Servers[at[shard]].Endpoint()); err != nil {
			return nil, nil, err
		}
		for slot := range leaders[shard].Self().Slots.All() {
			owner[slot] = shard
		}
	}
	type way struct {
		from, to   int
		failedOver bool
	}
	ways := map[way]cluster.SlotSet{}
	for shard, info := range leaders {
		for _, open := range info.Self().Open {
			peer, has := shardOf[open.Peer], owner[open.Slot]
			switch {
			case open.Importing && has == shard, !open.Importing && has != shard:
				clear = append(clear, stale{
					w.Servers[at[shard]].Endpoint(), cluster.SlotSet{}.Add(open.Slot), w.IDs[at[has]],
				})
			case open.Importing:
				key := way{has, shard, open.Peer != w.IDs[at[has]]}
				ways[key] = ways[key].Add(open.Slot)
			default:
				key := way{shard, peer, false}
				ways[key] = ways[key].Add(open.Slot)
			}
		}
	}
	for key, slots := range ways {
		if both := (way{key.from, key.to, true}); !key.failedOver {
			slots = slots.Minus(ways[both]) // the target says that the source was replaced
		}
		if slots.IsEmpty() {
			continue
		}
		finish = append(finish, redis.SlotMove{
			From: w.End(w.tb, at[key.from]), To: w.End(w.tb, at[key.to]), Slots: slots, FailedOver: key.failedOver,
		})
	}
	return finish, clear, nil
}
