package witness

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// StrayKeys says which primaries hold keys of slots that are not theirs (I2), while no slot moves. Clients may write: what
// changes while it is counted is counted again. Some servers count no keys in slots that a node does not own, so it is the
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
	questions := [][]string{{"DBSIZE"}}
	for slot := range uint16(slotCount) {
		if s.Self().Owns(slot) {
			questions = append(questions, []string{"CLUSTER", "COUNTKEYSINSLOT", strconv.Itoa(int(slot))})
		}
	}
	questions = append(questions, []string{"DBSIZE"})
	for range countsAtMost {
		replies, err := r.Pipeline(ctx, questions...)
		if err != nil {
			return err
		}
		counts, err := numbers(replies)
		if err != nil {
			return err
		}
		if done, err := strays(counts); done {
			return err
		}
	}
	return fmt.Errorf("its keys changed while they were counted, %d times", countsAtMost)
}

// strays says of all keys, those of each slot that is the node's, and all keys once more, whether some are in others. It is
// not done when some have come or gone meanwhile.
func strays(counts []int64) (done bool, err error) {
	before, after, owned := counts[0], counts[len(counts)-1], int64(0)
	for _, n := range counts[1 : len(counts)-1] {
		owned += n
	}
	if before != after {
		return false, nil
	}
	if owned != before {
		err = fmt.Errorf("%d keys, of which %d are in its own slots", before, owned)
	}
	return true, err
}

// countsAtMost is how often keys are counted, of which some come or go meanwhile.
const countsAtMost = 20

func numbers(replies []any) ([]int64, error) {
	out := make([]int64, len(replies))
	for i, reply := range replies {
		n, ok := reply.(int64)
		if !ok {
			return nil, fmt.Errorf("DBSIZE or COUNTKEYSINSLOT: %v", reply)
		}
		out[i] = n
	}
	return out, nil
}
