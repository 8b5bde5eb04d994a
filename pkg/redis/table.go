package redis

import "context"

// NodesText is the node's answer to CLUSTER NODES as it is, for who writes a nodes.conf, and the highest epoch that the
// node has heard of.
func (c *Clients) NodesText(ctx context.Context, ep Endpoint) (text string, epoch uint64, err error) {
	var replies []reply
	err = c.call(ctx, ep, "cluster nodes", func(ctx context.Context) (err error) {
		replies, err = c.do(ctx, ep, command{"CLUSTER", "NODES"}, command{"CLUSTER", "INFO"})
		return err
	})
	if err != nil {
		return "", 0, err
	}
	return replies[0].text, uint64(max(0, parseInfo(replies[1].text).number("cluster_current_epoch"))), nil
}
