package redis

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// vow is the node's config epoch, and a promise that nobody is about to take its place: a primary that hands over to
// its replica lets no command through that may write, and a script may, for all that it knows. (The other way to lose
// its place is to die, and then whoever takes over has to ask what has become of its slots.)
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
	return n.epochOf(got.list[0].text)
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

// claimFrom claims slots as soon as the node has heard of the other's epoch.
func (n *moveNode) claimFrom(ctx context.Context, slots []cluster.Slot, mark setSlots, from *moveNode) error {
	for end := timeNow().Add(gossipBound); ; {
		theirs, err := from.vow(ctx)
		if err != nil {
			return err
		}
		claimed, err := n.claim(ctx, slots, mark, theirs)
		if err != nil || claimed {
			return err
		}
		if !timeNow().Before(end) || !pause(ctx, gossipInterval) {
			return failed("cluster setslot", n.Endpoint,
				errorf(ErrUnknownNode, "it has not heard of epoch %d of %s", theirs, from.ID.Short()))
		}
	}
}

// claim takes over when the node's epoch is newer than the other's, or says that it is not.
//
// Redis before 8.2 tells all nodes of every single imported slot: each of them reads a message of two kilobytes and
// writes its nodes.conf, 40 to 60 us of every node's only thread for each slot. So all marks but the last are taken
// away before, which makes the node own the slots without a word, and with the last it tells of all. In a script
// nobody sees the slots without a mark. (A transaction is nothing for a node that is full.)
func (n *moveNode) claim(ctx context.Context, slots []cluster.Slot, mark setSlots, theirs uint64) (bool, error) {
	p := &packet{}
	if n.isValkey() {
		p.add("CLUSTER", "BUMPEPOCH")
		p.add("CLUSTER", "INFO")
		got, err := n.ctl.ask(ctx, "cluster bumpepoch", p)
		if err != nil {
			return false, err
		}
		epoch, err := n.epochOf(got.list[1].text)
		if err != nil || epoch <= theirs {
			return false, err
		}
		return true, n.set(ctx, setSlots{slots, "NODE", n.ID}, mark)
	}
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
	return err == nil && got.list[0].number > 0, err
}

const takeOverScript = `
redis.call('CLUSTER', 'BUMPEPOCH')
local epoch = string.match(redis.call('CLUSTER', 'INFO'), 'cluster_my_epoch:(%d+)')
if tonumber(epoch) <= tonumber(ARGV[2]) then return 0 end
for i = 3, #ARGV - 1 do
  if ARGV[i+1] ~= '' then
    redis.call('CLUSTER', 'SETSLOT', ARGV[i], 'STABLE')
  end
  redis.call('CLUSTER', 'SETSLOT', ARGV[i], 'NODE', ARGV[1])
end
return 1`
