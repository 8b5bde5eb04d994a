package witness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Client is a cluster client: it keeps a connection to each node and follows MOVED and ASK. It is not safe for use by
// several goroutines.
type Client struct {
	user, password string
	seeds          []string
	conns          map[string]*Redis
	slots          map[uint16]string
	next           int
	stale          bool // a node has said that a slot is elsewhere
	refreshed      time.Time
	// find gives the addresses of all nodes anew, as resolving the name of a Service does; nil: there is no such name.
	find func() []string
}

// NewClient makes a client that starts at any of these nodes.
func NewClient(password string, seeds ...string) *Client {
	return &Client{
		user: userDefault, password: password, seeds: seeds, conns: map[string]*Redis{}, slots: map[uint16]string{},
	}
}

// Client is a client of the cluster, as its pods stand.
func (c *Cluster) Client(ctx context.Context) (*Client, error) {
	password, err := c.Password(ctx, userDefault)
	if err != nil {
		return nil, fmt.Errorf("password of %s: %w", c.Name, err)
	}
	pods, err := c.Pods(ctx)
	if err != nil {
		return nil, fmt.Errorf("pods of %s: %w", c.Name, err)
	}
	seeds := addresses(pods)
	if len(seeds) == 0 {
		return nil, fmt.Errorf("%s has no pod with an address", c.Name)
	}
	return NewClient(password, seeds...), nil
}

// Close ends all connections.
func (c *Client) Close() {
	for addr, r := range c.conns {
		r.Close()
		delete(c.conns, addr)
	}
}

// Do sends a command about a key to the node that serves it, wherever redirects lead.
func (c *Client) Do(ctx context.Context, key string, args ...string) (any, error) {
	reply, _, err := c.do(ctx, key, args)
	return reply, err
}

// mostRedirects is more than a slot that is being moved needs, and ends a loop between two that do not agree.
const mostRedirects = 16

// do is Do, and says which node has answered, or was asked last.
func (c *Client) do(ctx context.Context, key string, args []string) (any, string, error) {
	c.refresh(ctx)
	slot := Slot(key)
	addr := c.slots[slot]
	if addr == "" {
		addr = c.seed()
	}
	asking := false
	for range mostRedirects {
		reply, err := c.at(ctx, addr, asking, args)
		var re ReplyError
		if !errors.As(err, &re) {
			if err != nil {
				delete(c.slots, slot)
			}
			return reply, addr, err
		}
		words := strings.Fields(string(re))
		switch {
		case len(words) == 3 && words[0] == "MOVED":
			addr, asking = words[2], false
			c.slots[slot], c.stale = addr, true
		case len(words) == 3 && words[0] == "ASK":
			addr, asking = words[2], true
		case words[0] == "TRYAGAIN":
		default:
			return nil, addr, err
		}
	}
	return nil, addr, fmt.Errorf("%s: more than %d redirects", key, mostRedirects)
}

// wait asks the node that has just answered whether another has what this connection wrote. A connection that was made
// anew since would know of no writes, and say yes.
func (c *Client) wait(ctx context.Context, addr string) (copies int64, err error) {
	r := c.conns[addr]
	if r == nil {
		return 0, fmt.Errorf("WAIT at %s: the connection is gone", addr)
	}
	reply, err := r.Do(ctx, "WAIT", "1", "1000")
	if err != nil {
		c.drop(addr, err)
		return 0, fmt.Errorf("WAIT at %s: %w", addr, err)
	}
	copies, _ = reply.(int64)
	return copies, nil
}

// forget makes the client ask anew who owns a slot.
func (c *Client) forget(slot uint16) {
	delete(c.slots, slot)
	c.resolve()
}

// resolve takes the addresses as they are now: those of pods that are gone would each cost a dial that nobody answers.
func (c *Client) resolve() {
	if c.find == nil {
		return
	}
	if found := c.find(); len(found) > 0 {
		c.seeds = found
	}
}

// refreshPace bounds how often a client asks who owns what.
const refreshPace = 200 * time.Millisecond

// refresh asks who owns what after a redirect, as clients of clusters do.
func (c *Client) refresh(ctx context.Context) {
	if !c.stale || time.Since(c.refreshed) < refreshPace {
		return
	}
	c.stale, c.refreshed = false, time.Now()
	c.resolve()
	reply, err := c.at(ctx, c.seed(), false, []string{"CLUSTER", "SLOTS"})
	ranges, ok := reply.([]any)
	if err != nil || !ok {
		c.stale = true
		return
	}
	for _, r := range ranges {
		if fields, ok := r.([]any); ok && len(fields) > 2 {
			c.learn(fields)
		}
	}
}

// learn takes one range of CLUSTER SLOTS: first, last, primary, replicas.
func (c *Client) learn(fields []any) {
	first, _ := fields[0].(int64)
	last, _ := fields[1].(int64)
	primary, _ := fields[2].([]any)
	if len(primary) < 2 {
		return
	}
	addr := fmt.Sprintf("%v:%v", primary[0], primary[1])
	for slot := first; slot <= last; slot++ {
		c.slots[uint16(slot)] = addr //nolint:gosec // below 16384
	}
	if !slices.Contains(c.seeds, addr) {
		c.seeds = append(c.seeds, addr)
	}
}

// seed is any node: the next one each time, for the last one may be gone. One that has a connection comes first.
func (c *Client) seed() string {
	c.next++
	for i := range c.seeds {
		if addr := c.seeds[(c.next+i)%len(c.seeds)]; c.conns[addr] != nil {
			return addr
		}
	}
	return c.seeds[c.next%len(c.seeds)]
}

func (c *Client) at(ctx context.Context, addr string, asking bool, args []string) (any, error) {
	r := c.conns[addr]
	if r == nil {
		var err error
		if r, err = DialRedis(ctx, addr, c.user, c.password); err != nil {
			return nil, err
		}
		c.conns[addr] = r
	}
	var err error
	var reply any
	if asking {
		_, err = r.Do(ctx, "ASKING")
	}
	if err == nil {
		reply, err = r.Do(ctx, args...)
	}
	c.drop(addr, err)
	return reply, err
}

// drop closes a connection after an error that was no answer.
func (c *Client) drop(addr string, err error) {
	var re ReplyError
	if r := c.conns[addr]; r != nil && err != nil && !errors.As(err, &re) {
		r.Close()
		delete(c.conns, addr)
	}
}

// Slot is the hash slot of a key: CRC16 (XMODEM) of the key, or of what is between its first braces.
func Slot(key string) uint16 {
	if open := strings.IndexByte(key, '{'); open >= 0 {
		if end := strings.IndexByte(key[open+1:], '}'); end > 0 {
			key = key[open+1 : open+1+end]
		}
	}
	var crc uint16
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc % slotCount
}
