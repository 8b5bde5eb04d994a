package witness

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// StrayKeys says which primaries hold keys of slots that are not theirs (I2), while no slot moves. Clients may write: a
// node counts all in one transaction. Some servers count no keys in slots that a node does not own, so it is the
// difference to all keys that tells.
func (c *Cluster) StrayKeys(ctx context.Context) error {
	look, err := c.Look(ctx)
	if err != nil {
		return err
	}
	password, err := c.Password(ctx, userOperator)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range look.Seen {
		if !s.Self().Is("master") {
			continue
		}
		if err := strayAt(ctx, s, password); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.Pod.Name, err))
		}
	}
	return errors.Join(errs...)
}

func strayAt(ctx context.Context, s Seen, password string) error {
	r, err := DialRedis(ctx, s.Pod.Addr(), userOperator, password)
	if err != nil {
		return err
	}
	defer r.Close()
	questions := [][]string{{"MULTI"}, {"DBSIZE"}}
	for slot := range uint16(slotCount) {
		if s.Self().Owns(slot) {
			questions = append(questions, []string{"CLUSTER", "COUNTKEYSINSLOT", strconv.Itoa(int(slot))})
		}
	}
	replies, err := r.Pipeline(ctx, append(questions, []string{"EXEC"})...)
	if err != nil {
		return err
	}
	counts, err := numbers(replies[len(replies)-1])
	if err != nil {
		return err
	}
	return strays(counts[0], counts[1:])
}

// strays says of all keys, and those of each slot that is the node's, whether some are in others.
func strays(all int64, own []int64) error {
	left := all
	for _, n := range own {
		left -= n
	}
	if left != 0 {
		return fmt.Errorf("%d of its %d keys are in no slot of its own", left, all)
	}
	return nil
}

// numbers are the answers to a transaction.
func numbers(exec any) ([]int64, error) {
	replies, ok := exec.([]any)
	if !ok || len(replies) == 0 {
		return nil, fmt.Errorf("EXEC: %v", exec)
	}
	out := make([]int64, len(replies))
	for i, reply := range replies {
		if out[i], ok = reply.(int64); !ok {
			return nil, fmt.Errorf("DBSIZE or COUNTKEYSINSLOT: %v", reply)
		}
	}
	return out, nil
}
