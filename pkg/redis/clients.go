package redis

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/mediocregopher/radix/v4"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const (
	// idleTimeout is longer than the time between two looks at a converged cluster.
	idleTimeout = 30 * time.Second
	// maxIdle bounds the connections kept over all endpoints.
	maxIdle = 1024
)

// Clients talks to any number of nodes. It keeps at most one idle connection for each endpoint, so that the
// next look does not dial and authenticate again. It is safe for concurrent use.
type Clients struct {
	dialer      Dialer
	idleTimeout time.Duration

	mu     sync.Mutex
	idle   map[Endpoint]*conn
	claims map[cluster.NodeID]time.Time // when a mover last had a node take slots
	closed bool
}

// NewClients makes Clients that connect as the dialer says. Close them after use.
func NewClients(dialer Dialer) *Clients {
	return &Clients{
		dialer: dialer.withDefaults(), idleTimeout: idleTimeout,
		idle: map[Endpoint]*conn{}, claims: map[cluster.NodeID]time.Time{},
	}
}

// Close closes the idle connections. Calls under way end on their own; later ones fail with ErrClosed.
func (c *Clients) Close() {
	c.mu.Lock()
	c.closed = true
	idle := c.idle
	c.idle = map[Endpoint]*conn{}
	c.mu.Unlock()
	for _, conn := range idle {
		conn.expiry.Stop()
		conn.close()
	}
}

// conn is one connection, used by one call at a time.
type conn struct {
	radix radix.Conn
	raw   net.Conn
	// reused says that it has been idle: the server may have closed it since.
	reused bool
	expiry *time.Timer
}

func (cn *conn) close() {
	// The socket first: a TLS connection would wait to say goodbye to a server that does not read.
	_ = cn.raw.Close()
	_ = cn.radix.Close() // both only say that it was closed already
}

// send sends the commands in one pipeline. The replies of a connection that failed are never read: radix
// may still be writing them.
func (cn *conn) send(ctx context.Context, cmds []command) ([]reply, error) {
	replies := make([]reply, len(cmds))
	pipeline := radix.NewPipeline()
	for i, cmd := range cmds {
		pipeline.Append(cmd.action(&replies[i]))
	}
	// radix leaves a write that blocks alone when the context ends, so the socket has to be closed under it.
	stop := context.AfterFunc(ctx, func() { _ = cn.raw.Close() })
	err := cn.radix.Do(ctx, pipeline)
	if !stop() {
		err = ctx.Err() // and not that the socket was closed
	}
	if err != nil {
		return nil, err
	}
	return replies, nil
}

// exchange sends the commands in one pipeline and gives the reply to each. The error is about the
// connection; what the server refused is in the replies.
func (c *Clients) exchange(ctx context.Context, ep Endpoint, cmds ...command) ([]reply, error) {
	cn, err := c.take(ctx, ep)
	if err != nil {
		return nil, transportError(ctx, err)
	}
	replies, err := cn.send(ctx, cmds)
	if err != nil && cn.reused && ctx.Err() == nil {
		cn.close()
		if cn, err = c.dial(ctx, ep); err != nil {
			return nil, transportError(ctx, err)
		}
		replies, err = cn.send(ctx, cmds)
	}
	if err != nil {
		cn.close()
		return nil, transportError(ctx, err)
	}
	c.give(ep, cn)
	return replies, nil
}

// take is the idle connection to the endpoint, or a new one.
func (c *Clients) take(ctx context.Context, ep Endpoint) (*conn, error) {
	c.mu.Lock()
	cn, closed := c.idle[ep], c.closed
	delete(c.idle, ep)
	c.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	if cn != nil && cn.expiry.Stop() {
		cn.reused = true
		return cn, nil
	}
	return c.dial(ctx, ep)
}

// give keeps the connection for the next call, unless there is one already or there are too many.
func (c *Clients) give(ep Endpoint, cn *conn) {
	c.mu.Lock()
	keep := !c.closed && c.idle[ep] == nil && len(c.idle) < maxIdle
	if keep {
		cn.expiry = time.AfterFunc(c.idleTimeout, func() { c.expire(ep, cn) })
		c.idle[ep] = cn
	}
	c.mu.Unlock()
	if !keep {
		cn.close()
	}
}

func (c *Clients) expire(ep Endpoint, cn *conn) {
	c.mu.Lock()
	if c.idle[ep] == cn {
		delete(c.idle, ep)
	}
	c.mu.Unlock()
	cn.close()
}

// dial connects and authenticates. AUTH is sent here and not by radix, so that its answer is read like
// every other.
func (c *Clients) dial(ctx context.Context, ep Endpoint) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.dialer.DialTimeout)
	defer cancel()
	transport := &transport{tls: c.dialer.TLS}
	rc, err := radix.Dialer{NetDialer: transport}.Dial(ctx, ep.network(), ep.Addr)
	if err != nil {
		return nil, err
	}
	cn := &conn{radix: rc, raw: transport.raw}
	if err := cn.authenticate(ctx, ep.Credentials); err != nil {
		cn.close()
		return nil, err
	}
	return cn, nil
}

func (cn *conn) authenticate(ctx context.Context, credentials Credentials) error {
	if credentials == (Credentials{}) {
		return nil
	}
	replies, err := cn.send(ctx, []command{{"AUTH", credentials.user(), credentials.Password}})
	if err != nil {
		return err
	}
	return firstError(replies)
}

// call is one operation on one node: it bounds it in time and says in its error what it was and where.
func (c *Clients) call(ctx context.Context, ep Endpoint, op string, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.dialer.CommandTimeout)
	defer cancel()
	return failed(op, ep, fn(ctx))
}

// do sends the commands in one pipeline and fails with the first error that any was answered with.
func (c *Clients) do(ctx context.Context, ep Endpoint, cmds ...command) ([]reply, error) {
	replies, err := c.exchange(ctx, ep, cmds...)
	if err != nil {
		return nil, err
	}
	if err := firstError(replies); err != nil {
		return nil, err
	}
	return replies, nil
}

// errorf is a typed error with a detail.
func errorf(kind error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", kind, fmt.Sprintf(format, args...))
}
