package redis

import (
	"context"
	"errors"
	"time"

	"github.com/mediocregopher/radix/v4"
)

// watchPing is how often a watched connection is used, so that the server's timeout for idle clients does
// not end it.
const watchPing = 5 * time.Second

// Watch connects to the server and returns when that connection breaks, with the error that ended it: over
// a unix socket at the moment that the process dies. A server that is stopped or busy breaks nothing,
// however long it is silent.
//
// The connection is one of its own. That it broke is not proof that the process is dead (an administrator
// can kill a connection): a new one that is ErrRefused is.
func (c *Clients) Watch(ctx context.Context, ep Endpoint) error {
	cn, err := c.dial(ctx, ep)
	if err != nil {
		return failed("watch", ep, transportError(ctx, err))
	}
	defer cn.close()
	stop := context.AfterFunc(ctx, func() { _ = cn.raw.Close() })
	defer stop()
	return failed("watch", ep, transportError(ctx, cn.watch(ctx)))
}

// watch always has a read under way, so that the end of the connection is seen at once: radix does not look
// at a connection that nobody uses.
func (cn *conn) watch(ctx context.Context) error {
	for {
		if err := cn.radix.EncodeDecode(ctx, radix.Cmd(nil, "PING"), nil); err != nil {
			return err
		}
		// Any answer will do, LOADING and BUSY too.
		if err := cn.radix.EncodeDecode(ctx, nil, &reply{}); err != nil {
			return err
		}
		if err := cn.rest(ctx); err != nil {
			return err
		}
	}
}

// rest reads, although nothing is to come, until it is time for the next PING.
func (cn *conn) rest(ctx context.Context) error {
	pause, cancel := context.WithTimeout(ctx, watchPing)
	defer cancel()
	err := cn.radix.EncodeDecode(pause, nil, &reply{})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil
	}
	return err
}
