package redis

import "context"

// guarded works while both nodes are watched.
func (p *pair) guarded(ctx context.Context, work func(context.Context) error) error {
	return work(ctx)
}
