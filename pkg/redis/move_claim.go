package redis

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// vow is the node's config epoch, and a promise that nobody is about to take its place, nor has: a primary that hands
// over to its replica lets no command through that may write, and a script may, for all that it knows. (The other way
// to lose its place is to die, and then whoever takes over has to ask what has become of its slots.)
func (n *moveNode) vow(ctx context.Context) (epoch uint64, err error) {
	p := &packet{}
	p.add("EVAL", vowScript, "0")
	p.add("INFO", "replication")
	got, err := n.ctl.ask(ctx, "cluster info", p)
	if err != nil {
		return 0, err
	}
	if parseInfo(got.list[1].text).isReplica() {
		return 0, failed("cluster info", n.Endpoint, errorf(ErrNotPrimary, "its place has been taken"))
	}
	if isBack(got.list[0].text) {
		return 0, errorf(ErrBack, "%s is to give slots away", n.ID.Short())
	}
	return n.epochOf(got.list[0].text)
}

// isBack says by the CLUSTER INFO of a node that it was away and does not serve yet, with nothing else in the way. It
// may have been replaced, and have yet to hear of it: it still holds its slots for its own. Redis keeps such a primary
// from serving for a while, two seconds after a start (cluster.c, clusterUpdateState), in which the others tell it. To
// give it a new epoch before that would have it win against who took its place, and cost what clients wrote there.
func isBack(text string) bool {
	said := parseInfo(text)
	return said["cluster_state"] != "ok" && said["cluster_slots_ok"] == strconv.Itoa(cluster.SlotCount)
}

const vowScript = `return redis.call('CLUSTER', 'INFO')`

func (n *moveNode) epochOf(text string) (uint64, error) {
	epoch, err := strconv.ParseUint(parseInfo(text)["cluster_my_epoch"], 10, 64)
	if err != nil {
		return 0, failed("cluster info", n.Endpoint, errorf(ErrNotRedis, "no cluster_my_epoch"))
	}
	return epoch, nil
}

const (
	// gossipBound is how long a node is waited for that has not heard of another's epoch. It comes with the next ping.
	gossipBound    = 5 * time.Second
	gossipInterval = 10 * time.Millisecond
)

// takeOver makes the node the owner of slots that it imports, and opens others.
//
// The epoch comes first, always: a claim that is not newer than the former owner's is taken back by the next gossip,
// and with it the keys. It is newer already when the node has taken slots before and nobody else has since. A former
// owner whose place in its shard is new may have an epoch that this node has not heard of yet.
func (n *moveNode) takeOver(ctx context.Context, slots, opened []cluster.Slot, from *moveNode) error {
	mark := setSlots{opened, "IMPORTING", from.ID}
	if len(slots) == 0 {
		return n.set(ctx, mark)
	}
	atOnce := len(slots)
	if n.holdsBack() {
		atOnce = spreadOver // so that what was promised still holds when the last of them is done
	}
	defer n.c.claimed(n.ID) // also when it is not known whether it has
	for some := range slices.Chunk(slots, atOnce) {
		if err := n.claimFrom(ctx, some, mark, from); err != nil {
			return err
		}
		mark.slots = nil
	}
	return nil
}

// claimFrom claims slots as soon as both nodes serve, and the node has heard of the other's epoch.
func (n *moveNode) claimFrom(ctx context.Context, slots []cluster.Slot, mark setSlots, from *moveNode) error {
	for end := timeNow().Add(gossipBound); ; {
		theirs, err := from.vow(ctx)
		if err == nil {
			err = n.claim(ctx, slots, mark, theirs)
		}
		if !errors.Is(err, ErrBack) && !errors.Is(err, errOutbid) {
			return err
		}
		if !timeNow().Before(end) || !pause(ctx, gossipInterval) {
			if errors.Is(err, errOutbid) {
				err = errorf(ErrUnknownNode, "it has not heard of epoch %d of %s", theirs, from.ID.Short())
			}
			return failed("cluster setslot", n.Endpoint, err)
		}
	}
}

// errOutbid says that a node's epoch is not above that of whom it is to take slots from.
var errOutbid = errors.New("epoch is not above the other's")

// claim takes over when the node serves and its epoch is newer than the other's: else it is ErrBack or errOutbid.
//
// Redis before 8.2 tells all nodes of every single imported slot: each of them reads a message of two kilobytes and
// writes its nodes.conf, 40 to 60 us of every node's only thread for each slot. So all marks but the last are taken
// away before, which makes the node own the slots without a word, and with the last it tells of all. In a script
// nobody sees the slots without a mark. (A transaction is nothing for a node that is full.)
func (n *moveNode) claim(ctx context.Context, slots []cluster.Slot, mark setSlots, theirs uint64) error {
	if n.isValkey() {
		if err := n.bump(ctx, theirs); err != nil {
			return err
		}
		return n.set(ctx, setSlots{slots, "NODE", n.ID}, mark)
	}
	p := &packet{}
	p.begin(6 + len(slots))
	p.word("EVAL")
	p.word(takeOverScript)
	p.word("0")
	p.word(string(n.ID))
	p.word(strconv.FormatUint(theirs, 10))
	p.slots(slots)
	p.word("") // the end of them
	for _, slot := range mark.slots {
		mark.add(p, slot)
	}
	got, err := n.ctl.ask(ctx, "cluster setslot", p)
	if err != nil {
		return err
	}
	switch got.list[0].number {
	case claimedAll:
		return nil
	case claimOutbid:
		return errOutbid
	}
	return errorf(ErrBack, "%s is to get slots", n.ID.Short())
}

// bump gives a Valkey a new epoch, which may not be given it in the script that takes slots.
func (n *moveNode) bump(ctx context.Context, theirs uint64) error {
	p := &packet{}
	p.add("CLUSTER", "INFO")
	got, err := n.ctl.ask(ctx, "cluster info", p)
	if err != nil {
		return err
	}
	if isBack(got.list[0].text) {
		return errorf(ErrBack, "%s is to get slots", n.ID.Short())
	}
	p = &packet{}
	p.add("CLUSTER", "BUMPEPOCH")
	p.add("CLUSTER", "INFO")
	if got, err = n.ctl.ask(ctx, "cluster bumpepoch", p); err != nil {
		return err
	}
	epoch, err := n.epochOf(got.list[1].text)
	if err == nil && epoch <= theirs {
		err = errOutbid
	}
	return err
}

// What takeOverScript answers; 0 when the node was away, and does not serve yet.
const (
	claimOutbid = 1
	claimedAll  = 2
)

const takeOverScript = `
local info = redis.call('CLUSTER', 'INFO')
local has = function(text) return string.find(info, text, 1, true) end
if not has('cluster_state:ok') and has('cluster_slots_ok:16384') then return 0 end
local epoch = string.match(redis.call('CLUSTER', 'BUMPEPOCH').ok, '%d+')
if tonumber(epoch) <= tonumber(ARGV[2]) then return 1 end
for i = 3, #ARGV - 1 do
  if ARGV[i+1] ~= '' then
    redis.call('CLUSTER', 'SETSLOT', ARGV[i], 'STABLE')
  end
  redis.call('CLUSTER', 'SETSLOT', ARGV[i], 'NODE', ARGV[1])
end
return 2`
