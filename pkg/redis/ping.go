package redis

import (
	"context"
	"errors"
)

// Liveness is what a PING says about a node.
type Liveness int

const (
	// Unreachable means that no answer came in time, or none of Redis.
	Unreachable Liveness = iota
	// Answering means that it serves.
	Answering
	// Loading means that it loads its dataset.
	Loading
	// Busy means that it runs a script or function for too long.
	Busy
	// PrimaryDown means that it is a replica without a link, which may not serve old data.
	PrimaryDown
	// Denied means that it does not let us in.
	Denied
	// Refusing means that it answers with an error of another kind, as when its disk is full (MISCONF) or it
	// has too many clients.
	Refusing
)

// Alive says that a process answers: nobody may restart it for not serving.
func (l Liveness) Alive() bool { return l != Unreachable }

// String is one or two words for a person.
func (l Liveness) String() string {
	switch l {
	case Unreachable:
		return "unreachable"
	case Answering:
		return "answering"
	case Loading:
		return "loading"
	case Busy:
		return "busy"
	case PrimaryDown:
		return "primary down"
	case Denied:
		return "denied"
	case Refusing:
		return "refusing"
	}
	return "unknown"
}

// Ping asks whether the node is alive and serves. The error is nil only for Answering and says why else.
func (c *Clients) Ping(ctx context.Context, ep Endpoint) (Liveness, error) {
	err := c.call(ctx, ep, "ping", func(ctx context.Context) error {
		_, err := c.do(ctx, ep, command{"PING"})
		return err
	})
	return liveness(err), err
}

func liveness(err error) Liveness {
	var reply *ReplyError
	switch {
	case err == nil:
		return Answering
	case errors.Is(err, ErrLoading):
		return Loading
	case errors.Is(err, ErrBusy):
		return Busy
	case errors.Is(err, ErrPrimaryDown):
		return PrimaryDown
	case errors.Is(err, ErrAuth), errors.Is(err, ErrNoPermission), errors.Is(err, ErrTLS):
		return Denied
	case errors.As(err, &reply):
		return Refusing
	}
	return Unreachable
}
