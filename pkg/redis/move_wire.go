package redis

import (
	"bufio"
	"context"
	"errors"
	"io"
	"time"

	"github.com/mediocregopher/radix/v4"
	"github.com/mediocregopher/radix/v4/resp"
)

// wire is a connection that a move has to itself. It is used by one goroutine at a time.
//
// What a node was asked is not taken back when the caller's context ends: a command that is cut in the middle is
// one of which nobody knows whether it was done. Every question has a time limit instead, and callers look at their
// context between questions.
type wire struct {
	c    *Clients
	ep   Endpoint
	conn *conn
}

// wireBuffer holds the keys of a whole window.
const wireBuffer = 64 << 10

func (c *Clients) newWire(ep Endpoint) *wire { return &wire{c: c, ep: ep} }

func (w *wire) close() {
	if w.conn != nil {
		w.conn.close()
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
	dialer := radix.Dialer{NetDialer: transport, NewRespOpts: wireOpts}
	rc, err := dialer.Dial(ctx, w.ep.network(), w.ep.Addr)
	if err != nil {
		return err
	}
	cn := &conn{radix: rc, raw: transport.raw}
	if err := cn.authenticate(ctx, w.ep.Credentials); err != nil {
		cn.close()
		return err
	}
	w.conn = cn
	return nil
}

func wireOpts() *resp.Opts {
	opts := resp.NewOpts()
	opts.GetBufferedReader = func(r io.Reader) resp.BufferedReader { return bufio.NewReaderSize(r, wireBuffer) }
	return opts
}

// exchange sends the commands and reads the replies, all within the time. The error is about the connection, which
// is then closed; what the node refused is in the replies.
func (w *wire) exchange(ctx context.Context, within time.Duration, p *packet) (*answers, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	if err := w.open(ctx); err != nil {
		return nil, transportError(ctx, err)
	}
	// Of its own for every exchange: after an error radix may still be writing into it.
	got := &answers{want: p.count}
	raw := w.conn.raw
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	err := w.conn.radix.EncodeDecode(ctx, p, got)
	if !stop() && err == nil {
		err = ctx.Err()
	}
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
