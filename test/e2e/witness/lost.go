package witness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Lost reads every key back and says which acknowledged writes are not there. Call it after Stop.
func (tr *Traffic) Lost(ctx context.Context) error {
	lost, err := tr.LostKeys(ctx)
	errs := []error{err}
	for i, l := range lost {
		if i == 10 {
			errs = append(errs, fmt.Errorf("and %d more keys", len(lost)-10))
			break
		}
		errs = append(errs, l)
	}
	return errors.Join(errs...)
}

// LostWriteError is a key whose last acknowledged write is not there. As an error it says what is there instead.
type LostWriteError struct {
	Key string
	At  time.Time // when it was acknowledged
	err error
}

func (l LostWriteError) Error() string {
	return fmt.Sprintf("%v (at %s)", l.err, l.At.UTC().Format("15:04:05.000"))
}

// LostKeys are the keys whose last acknowledged write is not there, and an error when that could not be asked.
func (tr *Traffic) LostKeys(ctx context.Context) (lost []LostWriteError, err error) {
	return tr.read(ctx, func(w *writer) int { w.checked = 0; return 0 })
}

// LostSince is LostKeys, of the keys whose writes have come to an end since it was called last. Writers go on meanwhile:
// it is for those with a key for every write.
func (tr *Traffic) LostSince(ctx context.Context) (lost []LostWriteError, err error) {
	return tr.read(ctx, func(w *writer) int { return w.checked })
}

// read reads keys back from where each writer is to begin.
func (tr *Traffic) read(ctx context.Context, from func(*writer) int) (lost []LostWriteError, err error) {
	client, err := tr.cluster.Client(ctx)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	for _, w := range tr.writers {
		w.mu.Lock()
		first := from(w)
		keys := slices.Clone(w.keys[first:])
		if w.options.Keys == 0 && !w.ended {
			keys = keys[:max(0, len(keys)-unsettled)] // they are being written, or deleted
		}
		w.mu.Unlock()
		found, err := w.lost(ctx, client, first, keys)
		lost = append(lost, found...)
		if err != nil {
			return lost, err
		}
		w.mu.Lock()
		w.checked = first + len(keys)
		w.mu.Unlock()
	}
	return lost, nil
}

// readTogether is how many keys of one slot are read at once.
const readTogether = 500

func (w *writer) lost(ctx context.Context, client *Client, first int, keys []history) ([]LostWriteError, error) {
	together := 1
	if w.options.Shards > 0 {
		together = readTogether
	}
	var lost []LostWriteError
	for at := 0; at < len(keys); at += together {
		part := keys[at:min(at+together, len(keys))]
		args := []string{"MGET"}
		for i := range part {
			args = append(args, w.prefix+strconv.Itoa(first+at+i))
		}
		reply, err := client.Do(ctx, args[1], args...)
		values, _ := reply.([]any)
		if err != nil || len(values) != len(part) {
			return lost, fmt.Errorf("read %s: %w", args[1], err)
		}
		for i, h := range part {
			if err := h.check(args[1+i], values[i]); err != nil {
				lost = append(lost, LostWriteError{args[1+i], h.at, err})
				continue
			}
			if !h.lasts() {
				continue
			}
			left, err := client.Do(ctx, args[1+i], "PTTL", args[1+i])
			if err != nil {
				return lost, fmt.Errorf("time to live of %s: %w", args[1+i], err)
			}
			if err := h.checkLife(args[1+i], left); err != nil {
				lost = append(lost, LostWriteError{args[1+i], h.at, err})
			}
		}
	}
	return lost, nil
}
