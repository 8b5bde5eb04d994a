package redis

import (
	"bufio"
	"context"
	"errors"
	"net"
	"time"
)

// wire is a connection that a move has to itself. It is used by one goroutine at a time, which writes and reads by
// itself: radix hands every question to two goroutines of its own, which is most of what a short one costs.
//
// What a node was asked is not taken back when the caller's context ends: a command that is cut in the middle is
// one of which nobody knows whether it was done. Every question has a time limit instead, and callers look at their
// context between questions.
type wire struct {
	c    *Clients
	ep   Endpoint
	conn net.Conn // nil: not connected
	raw  net.Conn // the socket below
	read *bufio.Reader
	sent int64 // bytes, since it was connected
}

// wireBuffer holds the keys of a whole window.
const wireBuffer = 64 << 10

func (c *Clients) newWire(ep Endpoint) *wire { return &wire{c: c, ep: ep} }

func (w *wire) close() {
	if w.conn != nil {
		_ = w.raw.Close() // not the one above: TLS would wait to say goodbye to a server that does not read
		w.conn = nil
	}
}

// open connects, unless it is connected.
func (w *wire) open(ctx context.Context) error {
	if w.conn != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, w.c.dialer.DialTimeout)
	defer cancel()
	transport := &transport{tls: w.c.dialer.TLS}
	conn, err := transport.DialContext(ctx, w.ep.network(), w.ep.Addr)
	if err != nil {
		return err
	}
	w.conn, w.raw, w.read, w.sent = conn, transport.raw, bufio.NewReaderSize(conn, wireBuffer), 0
	if w.ep.Credentials == (Credentials{}) {
		return nil
	}
	auth := &packet{}
	auth.add("AUTH", w.ep.Credentials.user(), w.ep.Credentials.Password)
	deadline, _ := ctx.Deadline()
	got, err := w.talk(deadline, auth)
	if err == nil {
		err = got.firstErr()
	}
	if err != nil {
		w.close()
	}
	return err
}

// talk sends the commands and reads the replies.
func (w *wire) talk(deadline time.Time, p *packet) (*answers, error) {
	if err := w.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if _, err := w.conn.Write(p.buf); err != nil {
		return nil, err
	}
	w.sent += int64(len(p.buf))
	got := &answers{want: p.count}
	return got, got.read(w.read)
}

// exchange sends the commands and reads the replies, all within the time. The error is about the connection, which
// is then closed; what the node refused is in the replies.
func (w *wire) exchange(ctx context.Context, within time.Duration, p *packet) (*answers, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	if err := w.open(ctx); err != nil {
		return nil, transportError(ctx, err)
	}
	deadline, _ := ctx.Deadline()
	got, err := w.talk(deadline, p)
	if err != nil {
		w.close()
		return nil, transportError(ctx, err)
	}
	return got, nil
}

// ask is exchange within the time of a command. It also fails with the first error that the node answered with.
func (w *wire) ask(ctx context.Context, op string, p *packet) (*answers, error) {
	got, err := w.exchange(ctx, w.c.dialer.CommandTimeout, p)
	if err == nil {
		err = got.firstErr()
	}
	if err != nil {
		return nil, failed(op, w.ep, err)
	}
	return got, nil
}

// isReply says whether the node itself answered with the error.
func isReply(err error) bool {
	var reply *ReplyError
	return errors.As(err, &reply)
}
