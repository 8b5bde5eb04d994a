package agent

import (
	"context"
	"net/http"
)

const pathReign = "/v1/reign"

// ReignRequest tells an agent of an operator that begins: POST /v1/reign. From then on orders of lower generations are
// refused, and who gives them is told so by the status.
type ReignRequest struct {
	Order
}

func (r ReignRequest) order() Order { return r.Order }

// reign needs no more than that the order is admitted.
func (s *server) reign() http.HandlerFunc {
	return order(s, func(context.Context, ReignRequest) error { return nil }, ReignRequest.order, callerOperator)
}

// Reign tells the agent at this address of the generation of the orders to come.
func (c *Client) Reign(ctx context.Context, ip string, r ReignRequest) error {
	return c.call(ctx, ip, pathReign, r, nil)
}
