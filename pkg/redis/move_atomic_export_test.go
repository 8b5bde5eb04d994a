package redis

import "context"

// AtomicPair is atomicPair for tests with servers.
func AtomicPair(from, to MoveEnd) bool { return atomicPair(from, to) }

// CopyFunctions is copyFunctions for tests with servers.
func (c *Clients) CopyFunctions(ctx context.Context, from, to MoveEnd) error {
	return c.copyFunctions(ctx, from, to)
}
