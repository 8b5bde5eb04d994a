package witness

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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

// dialTimeout is for an address that nobody has any more: a client that goes through several of them must not wait long.
const dialTimeout = 250 * time.Millisecond

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
	if _, err := io.WriteString(r.conn, request(args)); err != nil {
		return nil, err
	}
	return r.reply()
}

func request(args []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b.String()
}

// Pipeline sends commands together, and returns their replies; one that was refused is a ReplyError in its place.
func (r *Redis) Pipeline(ctx context.Context, commands ...[]string) ([]any, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(5 * time.Second)
	}
	if err := r.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	var b strings.Builder
	for _, args := range commands {
		b.WriteString(request(args))
	}
	if _, err := io.WriteString(r.conn, b.String()); err != nil {
		return nil, err
	}
	replies := make([]any, len(commands))
	for i := range replies {
		reply, err := r.reply()
		if refused, ok := errors.AsType[ReplyError](err); ok {
			reply = refused
		} else if err != nil {
			return nil, err
		}
		replies[i] = reply
	}
	return replies, nil
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
