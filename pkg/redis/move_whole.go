package redis

import (
	"context"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	firstArrival   = 50 * time.Microsecond
	longestArrival = time.Millisecond
)

// whole sends commands, and has the node work on all of them before it turns to other clients. It is for what may not
// be sent as a script or a transaction: a server works on what it has read, 16 KiB or what of that has arrived, and
// turns to others. So all of it stands behind a WAIT for more replicas than there are, and the node is told not to wait
// any more once it has read everything. Should nobody tell it, the connection ends, and nothing is done.
func (n *moveNode) whole(ctx context.Context, within time.Duration, p *packet) (*answers, error) {
	who := &packet{}
	who.add("CLIENT", "ID")
	got, err := n.ctl.ask(ctx, "client id", who)
	if err != nil {
		return nil, err
	}
	id := strconv.FormatInt(got.list[0].number, 10)
	held := &packet{}
	held.add("WAIT", strconv.Itoa(math.MaxInt32), "0")
	held.buf, held.count = append(held.buf, p.buf...), held.count+p.count
	all := n.ctl.sent + int64(len(held.buf))

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(safely(func() (err error) {
		defer cancel()
		got, err = n.ctl.exchange(ctx, within, held)
		return err
	}))
	group.Go(safely(func() error { return n.release(ctx, id, all) }))
	if err = group.Wait(); err != nil {
		return nil, err
	}
	got.list = got.list[1:]
	return got, nil
}

// release ends the WAIT of a connection on which the node has read so many bytes.
func (n *moveNode) release(ctx context.Context, id string, all int64) error {
	w := n.c.newWire(n.Endpoint)
	defer w.close()
	look, release := &packet{}, &packet{}
	look.add("CLIENT", "LIST", "ID", id)
	release.add("CLIENT", "UNBLOCK", id)
	for wait := firstArrival; ; wait = min(2*wait, longestArrival) {
		got, err := w.ask(ctx, "client list", look)
		if err != nil {
			return err
		}
		said := got.list[0].text
		if said == "" {
			return failed("client list", n.Endpoint, errorf(ErrNotReachable, "connection %s is gone", id))
		}
		if bytesRead(said) >= all {
			got, err = w.ask(ctx, "client unblock", release)
			if err != nil || got.list[0].number > 0 {
				return err
			}
		}
		if !pause(ctx, wait) {
			return failed("client list", n.Endpoint, ctx.Err())
		}
	}
}

// bytesRead is how much the node has read on a connection, by a line of CLIENT LIST of Valkey 8 or later.
func bytesRead(line string) int64 {
	for word := range strings.FieldsSeq(line) {
		if text, ok := strings.CutPrefix(word, "tot-net-in="); ok {
			n, _ := strconv.ParseInt(text, 10, 64) // 0 never is enough
			return n
		}
	}
	return 0
}
