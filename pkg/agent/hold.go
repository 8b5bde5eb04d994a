package agent

import (
	"context"
	"net/http"
)

// The paths of a hand-over.
const (
	pathHold    = "/v1/hold"
	pathRelease = "/v1/release"
)

// HoldRequest has a primary take no more writes, for the replica that is to take its place: POST /v1/hold. POST
// /v1/release takes it back, by the replica that will not take it any more.
type HoldRequest struct {
	Order
	// ReplicaID is the replica. A primary stands still for one at a time.
	ReplicaID string `json:"replicaID"`
}

// Hold is what a primary that stands still says of itself.
type Hold struct {
	// Millis is how long it takes no write for sure, from this answer on: the replica takes over within that time, or not.
	Millis int64 `json:"millis"`
	// ByVote is why it does not stand still, and the other primaries have to be asked instead; "" when it does.
	ByVote string `json:"byVote,omitempty"`
	// Open is true when slots were on their way to or from it.
	Open bool `json:"open,omitempty"`
	// Reign is what it owns, and how far its stream of writes is, since it stands still.
	Reign Death `json:"reign"`
}

func (r HoldRequest) order() Order { return r.Order }

// hold answers with what came of it.
func (s *server) hold() http.HandlerFunc {
	return command(s, s.handler.Hold, HoldRequest.order, callerPeer)
}

func (s *server) release() http.HandlerFunc {
	return order(s, s.handler.Release, HoldRequest.order, callerPeer)
}

// Hold asks the primary at this address to stand still.
func (c *Client) Hold(ctx context.Context, ip string, r HoldRequest) (Hold, error) {
	var h Hold
	err := c.call(ctx, ip, pathHold, r, &h)
	return h, err
}

// Release lets the primary at this address go on.
func (c *Client) Release(ctx context.Context, ip string, r HoldRequest) error {
	return c.call(ctx, ip, pathRelease, r, nil)
}
