package redistest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/mediocregopher/radix/v4"
	"golang.org/x/sync/errgroup"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// pipelined is how many commands go at once.
const pipelined = 500

// End is a server as an end of a move. Its copies are the replicas that follow it and are in sync.
func (c *Cluster) End(tb testing.TB, i int) redis.MoveEnd {
	tb.Helper()
	s := c.Servers[i]
	end := redis.MoveEnd{Endpoint: s.Endpoint(), ID: c.IDs[i], Peer: s.Peer(), Version: s.Engine.Version}
	for j, other := range c.Servers {
		if j == i {
			continue
		}
		info, err := c.Clients.Observe(tb.Context(), other.Endpoint())
		if err == nil && info.Self().PrimaryID == c.IDs[i] && info.LinkUp {
			end.Copies = append(end.Copies, other.Endpoint())
		}
	}
	return end
}

// Owned are the slots that a server says it owns.
func (c *Cluster) Owned(tb testing.TB, i int) cluster.SlotSet {
	tb.Helper()
	info, err := c.Clients.Observe(tb.Context(), c.Servers[i].Endpoint())
	if err != nil {
		tb.Fatal(err)
	}
	return info.Self().Slots
}

// Command is one command of Fill.
type Command []string

// Fill sends commands to the owners of their keys, which are the words after the first.
func (c *Cluster) Fill(tb testing.TB, commands []Command) {
	tb.Helper()
	byOwner := make([][]Command, c.Primaries)
	owned := make([]cluster.SlotSet, c.Primaries)
	for i := range owned {
		owned[i] = c.Owned(tb, i)
	}
	for _, cmd := range commands {
		slot := KeySlot(cmd[1])
		for i := range owned {
			if owned[i].Has(slot) {
				byOwner[i] = append(byOwner[i], cmd)
			}
		}
	}
	group, ctx := errgroup.WithContext(tb.Context())
	for i := range byOwner {
		group.Go(func() error { return c.Servers[i].pipeline(ctx, byOwner[i]) })
	}
	if err := group.Wait(); err != nil {
		tb.Fatal(err)
	}
}

// Strings are SET commands for so many keys of a size.
func Strings(prefix string, keys, size int) []Command {
	commands := make([]Command, keys)
	body := make([]byte, size)
	for i := range body {
		body[i] = byte('a' + i*7%26)
	}
	for i := range commands {
		name := prefix + strconv.Itoa(i)
		commands[i] = Command{"SET", name, (name + "=" + string(body))[:max(size, len(name))]}
	}
	return commands
}

func (s *Server) pipeline(ctx context.Context, commands []Command) error {
	ep := s.UnixEndpoint()
	conn, err := radix.Dialer{AuthPass: ep.Credentials.Password}.Dial(ctx, ep.Network, ep.Addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for len(commands) > 0 {
		n := min(pipelined, len(commands))
		p := radix.NewPipeline()
		for _, cmd := range commands[:n] {
			p.Append(radix.Cmd(nil, cmd[0], cmd[1:]...))
		}
		if err := conn.Do(ctx, p); err != nil {
			return err
		}
		commands = commands[n:]
	}
	return nil
}

// Whole says what is wrong with the slots: whether all servers that are primaries agree on who owns them, whether
// none is open, and whether every key is where its slot is. It waits for what gossip still has to bring.
func (c *Cluster) Whole(tb testing.TB, servers ...int) {
	tb.Helper()
	if len(servers) == 0 {
		for i := range c.Primaries {
			servers = append(servers, i)
		}
	}
	Eventually(tb, startTimeout, func() error {
		var (
			errs  []error
			all   cluster.SlotSet
			owned = map[cluster.NodeID]cluster.SlotSet{}
			infos = map[int]*cluster.NodeInfo{}
		)
		for _, i := range servers {
			info, err := c.Clients.Observe(tb.Context(), c.Servers[i].Endpoint())
			if err != nil {
				return err
			}
			self := info.Self()
			infos[i], owned[self.ID] = info, self.Slots
			if twice := all.Intersect(self.Slots); !twice.IsEmpty() {
				errs = append(errs, fmt.Errorf("slots %s have two owners", twice))
			}
			if len(self.Open) > 0 {
				errs = append(errs, fmt.Errorf("%s has %d slots open", self.ID.Short(), len(self.Open)))
			}
			all = all.Union(self.Slots)
		}
		if all != cluster.AllSlots() {
			errs = append(errs, fmt.Errorf("%d slots have an owner", all.Len()))
		}
		for _, i := range servers {
			for id, slots := range owned {
				if node, _ := infos[i].Table.Find(id); node.Slots != slots {
					errs = append(errs, fmt.Errorf("server %d gives %s other slots than it has", i, id.Short()))
				}
			}
			errs = append(errs, c.strays(tb.Context(), i, owned[c.IDs[i]]))
		}
		return errors.Join(errs...)
	})
}

// strays says whether the server has keys in slots that it does not own.
func (c *Cluster) strays(ctx context.Context, i int, owned cluster.SlotSet) error {
	conn, err := radix.Dial(ctx, "unix", c.Servers[i].Socket)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if password := c.Servers[i].opts.Password; password != "" {
		if err := conn.Do(ctx, radix.Cmd(nil, "AUTH", password)); err != nil {
			return err
		}
	}
	// Not by asking for the other slots: Redis 8.4 and later say that they have no keys there.
	counts, size, mine := make([]int, cluster.SlotCount), 0, 0
	p := radix.NewPipeline()
	for slot := range owned.All() {
		p.Append(radix.Cmd(&counts[slot], "CLUSTER", "COUNTKEYSINSLOT", strconv.Itoa(int(slot))))
	}
	p.Append(radix.Cmd(&size, "DBSIZE"))
	if err := conn.Do(ctx, p); err != nil {
		return err
	}
	for _, n := range counts {
		mine += n
	}
	if size == mine {
		return nil
	}
	var keys, astray []string
	if err := conn.Do(ctx, radix.Cmd(&keys, "KEYS", "*")); err != nil {
		return err
	}
	for _, key := range keys {
		if slot := KeySlot(key); !owned.Has(slot) {
			astray = append(astray, fmt.Sprintf("%s in %d", key, slot))
		}
	}
	return fmt.Errorf("server %d has %d keys, and %d of them in slots that it owns; not %.40s", i, size, mine, astray)
}

// List sends a command that is answered with a list.
func (s *Server) List(tb testing.TB, into *[]string, name string, args ...string) {
	tb.Helper()
	ep := s.UnixEndpoint()
	conn, err := radix.Dialer{AuthPass: ep.Credentials.Password}.Dial(tb.Context(), ep.Network, ep.Addr)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.Do(tb.Context(), radix.Cmd(into, name, args...)); err != nil {
		tb.Fatalf("%s at %s: %v", name, s.Addr(), err)
	}
}
