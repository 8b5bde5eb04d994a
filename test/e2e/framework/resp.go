package framework

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Redis is one connection to one node. It is not safe for use by several goroutines.
type Redis struct {
	conn net.Conn
	in   *bufio.Reader
}

// ReplyError is an error that Redis answered.
type ReplyError string

func (e ReplyError) Error() string { return string(e) }

// dialTimeout is for an address that nobody has any more.
const dialTimeout = time.Second

// DialRedis connects to a node and authenticates when there is a password.
func DialRedis(ctx context.Context, addr, user, password string) (*Redis, error) {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	r := &Redis{conn: conn, in: bufio.NewReader(conn)}
	if password == "" {
		return r, nil
	}
	if _, err := r.Do(ctx, "AUTH", user, password); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("authenticate at %s as %s: %w", addr, user, err)
	}
	return r, nil
}

// Close ends the connection.
func (r *Redis) Close() { _ = r.conn.Close() }

// Do sends one command and returns its reply: string, int64, nil or []any.
func (r *Redis) Do(ctx context.Context, args ...string) (any, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(5 * time.Second)
	}
	if err := r.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := io.WriteString(r.conn, b.String()); err != nil {
		return nil, err
	}
	return r.reply()
}

func (r *Redis) reply() (any, error) {
	line, err := r.in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return nil, errors.New("empty reply")
	}
	kind, rest := line[0], line[1:]
	switch kind {
	case '+':
		return rest, nil
	case '-':
		return nil, ReplyError(rest)
	case ':':
		return strconv.ParseInt(rest, 10, 64)
	case '$':
		return r.bulk(rest)
	case '*':
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return nil, err
		}
		items := make([]any, n)
		for i := range items {
			if items[i], err = r.reply(); err != nil {
				return nil, err
			}
		}
		return items, nil
	}
	return nil, fmt.Errorf("unknown reply %q", line)
}

func (r *Redis) bulk(length string) (any, error) {
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 {
		return nil, err
	}
	data := make([]byte, n+2)
	if _, err := io.ReadFull(r.in, data); err != nil {
		return nil, err
	}
	return string(data[:n]), nil
}

// Client is a cluster client: it keeps a connection to each node and follows MOVED and ASK.
type Client struct {
	user, password string
	seeds          []string
	conns          map[string]*Redis
	slots          map[uint16]string
	next           int
	stale          bool // a node has said that a slot is elsewhere
	refreshed      time.Time
}

// NewClient makes a client that starts at any of these nodes.
func NewClient(password string, seeds ...string) *Client {
	return &Client{
		user: "default", password: password, seeds: seeds, conns: map[string]*Redis{}, slots: map[uint16]string{},
	}
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

// do is Do, and says which node has answered.
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

// refreshPace bounds how often a client asks who owns what.
const refreshPace = 200 * time.Millisecond

// refresh asks who owns what after a redirect, as clients of clusters do.
func (c *Client) refresh(ctx context.Context) {
	if !c.stale || time.Since(c.refreshed) < refreshPace {
		return
	}
	c.stale, c.refreshed = false, time.Now()
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

// seed is any node: the next one each time, for the last one may be gone.
func (c *Client) seed() string {
	c.next++
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
	var re ReplyError
	if err != nil && !errors.As(err, &re) {
		r.Close()
		delete(c.conns, addr)
	}
	return reply, err
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
	return crc % 16384
}
