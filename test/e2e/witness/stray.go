package witness

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// StrayKeys says which primaries hold keys of slots that are not theirs (I2), while nobody writes. Some servers count no
// keys in slots that a node does not own, so it is the difference to all keys that tells.
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
	replies, err := r.Pipeline(ctx, questions...)
	if err != nil {
		return err
	}
	all, _ := replies[0].(int64)
	var owned int64
	for _, reply := range replies[1:] {
		n, ok := reply.(int64)
		if !ok {
			return fmt.Errorf("COUNTKEYSINSLOT: %v", reply)
		}
		owned += n
	}
	if all != owned {
		return fmt.Errorf("%d keys, of which %d are in its own slots", all, owned)
	}
	return nil
}
