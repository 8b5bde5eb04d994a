package redis

import (
	"context"
)

// copyFunctions gives the functions of a source to a target that has none and owns no slots yet: clients will call
// there what they called here. A target that owns slots is left as it is, for it is nobody's to say what it has lost.
func (c *Clients) copyFunctions(ctx context.Context, from, to MoveEnd) error {
	var dump string
	err := c.call(ctx, from.Endpoint, "copy functions", func(ctx context.Context) error {
		replies, err := c.do(ctx, from.Endpoint, command{"INFO", "memory"})
		if err != nil || !parseInfo(replies[0].text).hasFunctions() {
			return err
		}
		replies, err = c.do(ctx, from.Endpoint, command{"FUNCTION", "DUMP"})
		if err != nil {
			return err
		}
		dump = replies[0].text
		return nil
	})
	if err != nil || dump == "" {
		return err
	}
	return c.call(ctx, to.Endpoint, "copy functions", func(ctx context.Context) error {
		replies, err := c.do(ctx, to.Endpoint, command{"INFO", "memory"}, command{"CLUSTER", "NODES"})
		if err != nil || parseInfo(replies[0].text).hasFunctions() {
			return err
		}
		node, err := nodeInfo(replies[1].text, nil, nil)
		if err != nil || !node.Self().Slots.IsEmpty() {
			return err
		}
		_, err = c.do(ctx, to.Endpoint, command{"FUNCTION", "RESTORE", dump})
		return err
	})
}

func (f info) hasFunctions() bool { return f.number("number_of_libraries") > 0 }
