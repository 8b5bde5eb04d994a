package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// Meet introduces the node to its peers, all in one pipeline. The addresses are not checked: the caller has
// proven who listens there, for one stray MEET merges two clusters. A peer that the node knows already is
// met again, which is how a new address of a known node gets around.
func (c *Clients) Meet(ctx context.Context, ep Endpoint, peers []Peer) error {
	if len(peers) == 0 {
		return nil
	}
	return c.call(ctx, ep, "cluster meet", func(ctx context.Context) error {
		cmds := make([]command, len(peers))
		for i, peer := range peers {
			cmds[i] = command{"CLUSTER", "MEET", peer.IP, strconv.Itoa(peer.Port)}
			if peer.BusPort != 0 {
				cmds[i] = append(cmds[i], strconv.Itoa(peer.BusPort))
			}
		}
		replies, err := c.exchange(ctx, ep, cmds...)
		if err != nil {
			return err
		}
		var errs []error
		for i, r := range replies {
			if r.err != nil {
				errs = append(errs, fmt.Errorf("peer %s: %w", peers[i], r.err))
			}
		}
		return errors.Join(errs...)
	})
}

// AddSlots gives slots that nobody owns to the node, and before that the config epoch when it is not 0.
// Slots that the node owns already are not asked for again, so that a call that was cut can be repeated.
//
// An epoch is taken only by a node that knows no other and has none yet. One that refuses it for these
// reasons gets its slots all the same: two nodes of one epoch settle it between them, only not as fast.
//
// The node's own table is looked at first: a slot that it gives to another is ErrBusySlot, and a replica is
// ErrNotPrimary. Then nothing has been changed.
func (c *Clients) AddSlots(ctx context.Context, ep Endpoint, epoch uint64, slots cluster.SlotSet) error {
	return c.call(ctx, ep, "cluster addslots", func(ctx context.Context) error {
		table, self, err := c.own(ctx, ep)
		if err != nil {
			return err
		}
		if err = addable(table, self, slots); err != nil {
			return err
		}
		var cmds []command
		if epoch > 0 && self.ConfigEpoch == 0 {
			cmds = append(cmds, command{"CLUSTER", "SET-CONFIG-EPOCH", strconv.FormatUint(epoch, 10)})
		}
		if missing := slots.Minus(self.Slots); !missing.IsEmpty() {
			cmds = append(cmds, addSlotsRange(missing))
		}
		if len(cmds) == 0 {
			return nil
		}
		replies, err := c.exchange(ctx, ep, cmds...)
		if err != nil {
			return err
		}
		for i := range replies {
			if errors.Is(replies[i].err, errEpochSettled) {
				replies[i].err = nil
			}
		}
		return firstError(replies)
	})
}

// addable says why the node cannot get the slots.
func addable(table cluster.Table, self cluster.Node, slots cluster.SlotSet) error {
	if self.Role != cluster.Primary {
		return errorf(ErrNotPrimary, "%s cannot own slots", self.ID.Short())
	}
	for _, node := range table {
		if taken := slots.Intersect(node.Slots); node.ID != self.ID && !taken.IsEmpty() {
			return errorf(ErrBusySlot, "%s owns %s", node.ID.Short(), taken)
		}
	}
	return nil
}

// addSlotsRange is one command: the server takes all of the slots or none.
func addSlotsRange(slots cluster.SlotSet) command {
	cmd := command{"CLUSTER", "ADDSLOTSRANGE"}
	for _, r := range slots.Ranges() {
		cmd = append(cmd, strconv.Itoa(int(r.First)), strconv.Itoa(int(r.Last)))
	}
	return cmd
}

// Replicate makes the node a replica of the primary, which costs the node its dataset. One that is it
// already is left alone.
//
// The live node is looked at first. It is ErrNotEmpty when it owns slots; when it is a primary that has
// keys; and when it is a replica that has keys and has lost its primary: its copy may be the last.
// ErrUnknownNode says that gossip has not brought the primary to the node yet: try again.
func (c *Clients) Replicate(ctx context.Context, ep Endpoint, primary cluster.NodeID) error {
	return c.call(ctx, ep, "cluster replicate", func(ctx context.Context) error {
		replies, err := c.do(ctx, ep, command{"CLUSTER", "NODES"}, infoSections)
		if err != nil {
			return err
		}
		server := parseInfo(replies[1].text)
		node, err := nodeInfo(replies[0].text, nil, server)
		if err != nil {
			return err
		}
		self := node.Self()
		if self.Role == cluster.Replica && self.PrimaryID == primary {
			return nil
		}
		if err = replaceable(self, server); err != nil {
			return err
		}
		_, err = c.do(ctx, ep, command{"CLUSTER", "REPLICATE", string(primary)})
		return err
	})
}

// replaceable says why the node's dataset cannot be given up.
func replaceable(self cluster.Node, server info) error {
	keys := server.allKeys()
	switch {
	case !self.Slots.IsEmpty():
		return errorf(ErrNotEmpty, "%s owns %d slots", self.ID.Short(), self.Slots.Len())
	case keys > 0 && !server.isReplica():
		return errorf(ErrNotEmpty, "%s is a primary with %d keys", self.ID.Short(), keys)
	case keys > 0 && !server.linkUp():
		return errorf(ErrNotEmpty, "%s has %d keys and no link to its primary", self.ID.Short(), keys)
	}
	return nil
}

// Forget removes nodes from the node's table, all in one pipeline; the node does not learn of them again for
// a minute. A node that it does not know is not an error. When one of them owns slots in that table, other than those
// that are given up (ErrOwnsSlots), is the node's primary (ErrMyPrimary) or the node itself (ErrMyself), none is
// forgotten.
func (c *Clients) Forget(ctx context.Context, ep Endpoint, ids []cluster.NodeID, givenUp cluster.SlotSet) error {
	if len(ids) == 0 {
		return nil
	}
	return c.call(ctx, ep, "cluster forget", func(ctx context.Context) error {
		table, self, err := c.own(ctx, ep)
		if err != nil {
			return err
		}
		var cmds []command
		for _, id := range ids {
			node, known := table.Find(id)
			if !known {
				continue
			}
			if err = forgettable(node, self, givenUp); err != nil {
				return err
			}
			cmds = append(cmds, command{"CLUSTER", "FORGET", string(id)})
		}
		if len(cmds) == 0 {
			return nil
		}
		replies, err := c.exchange(ctx, ep, cmds...)
		if err != nil {
			return err
		}
		for i := range replies {
			if errors.Is(replies[i].err, ErrUnknownNode) {
				replies[i].err = nil // gossip was faster
			}
		}
		return firstError(replies)
	})
}

// forgettable says why the node asked, self, must keep the node.
func forgettable(node, self cluster.Node, givenUp cluster.SlotSet) error {
	switch {
	case node.ID == self.ID:
		return errorf(ErrMyself, "%s", node.ID.Short())
	case node.ID == self.PrimaryID:
		return errorf(ErrMyPrimary, "%s", node.ID.Short())
	case !node.Slots.Minus(givenUp).IsEmpty():
		return errorf(ErrOwnsSlots, "%s owns %d slots", node.ID.Short(), node.Slots.Len())
	}
	return nil
}

// FailoverMode is how much agreement a failover needs.
type FailoverMode int

const (
	// Manual has the primary stop writes until the replica has caught up: nothing is lost.
	Manual FailoverMode = iota
	// Force asks the other primaries for their votes, not the primary.
	Force
	// Takeover asks nobody.
	Takeover
)

func (m FailoverMode) command() command {
	switch m {
	case Force:
		return command{"CLUSTER", "FAILOVER", "FORCE"}
	case Takeover:
		return command{"CLUSTER", "FAILOVER", "TAKEOVER"}
	case Manual:
	}
	return command{"CLUSTER", "FAILOVER"}
}

// Failover asks a replica to become the primary of its shard, and does not wait for it: look again. A node
// that is a primary already is ErrNotReplica. Manual with a primary that cannot be asked is ErrPrimaryDown.
func (c *Clients) Failover(ctx context.Context, ep Endpoint, mode FailoverMode) error {
	return c.call(ctx, ep, "cluster failover", func(ctx context.Context) error {
		_, err := c.do(ctx, ep, mode.command())
		return err
	})
}

// PauseWrites has the node let no command through that may write, of any client, for the time or until ResumeWrites.
func (c *Clients) PauseWrites(ctx context.Context, ep Endpoint, time time.Duration) error {
	return c.call(ctx, ep, "client pause", func(ctx context.Context) error {
		_, err := c.do(ctx, ep, command{"CLIENT", "PAUSE", strconv.FormatInt(time.Milliseconds(), 10), "WRITE"})
		return err
	})
}

// ResumeWrites ends PauseWrites.
func (c *Clients) ResumeWrites(ctx context.Context, ep Endpoint) error {
	return c.call(ctx, ep, "client unpause", func(ctx context.Context) error {
		_, err := c.do(ctx, ep, command{"CLIENT", "UNPAUSE"})
		return err
	})
}

// Relink has a replica drop the connection to its primary, and connect anew. What it has it keeps: it asks for what
// came after that.
func (c *Clients) Relink(ctx context.Context, ep Endpoint) error {
	return c.call(ctx, ep, "client kill", func(ctx context.Context) error {
		_, err := c.do(ctx, ep, command{"CLIENT", "KILL", "TYPE", "MASTER"})
		return err
	})
}

// ReplicaInfo is a replica as its primary sees it.
type ReplicaInfo struct {
	IP     string
	Port   int
	Online bool // it has the dataset, and follows
	Offset int64
	Lag    time.Duration // since it was last heard of
}

// Replicas are the replicas that are connected to the node, which is usually a primary.
func (c *Clients) Replicas(ctx context.Context, ep Endpoint) ([]ReplicaInfo, error) {
	var replicas []ReplicaInfo
	err := c.call(ctx, ep, "info replication", func(ctx context.Context) error {
		replies, err := c.do(ctx, ep, command{"INFO", "replication"})
		if err != nil {
			return err
		}
		replicas = parseInfo(replies[0].text).replicas()
		return nil
	})
	return replicas, err
}
