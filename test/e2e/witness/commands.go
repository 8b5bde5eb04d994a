package witness

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Commands are the calls of every command on all nodes together, but for what primaries have replicas delete: keys that
// have expired.
func (c *Cluster) Commands(ctx context.Context) (map[string]int, error) {
	calls := map[string]int{}
	err := c.eachRedis(ctx, func(_ Pod, r *Redis) error { return commandsAt(ctx, r, calls) })
	return calls, err
}

// eachRedis asks the Redis in every pod, one after the other, as the operator.
func (c *Cluster) eachRedis(ctx context.Context, ask func(Pod, *Redis) error) error {
	password, err := c.Password(ctx, userOperator)
	if err != nil {
		return err
	}
	pods, err := c.Pods(ctx)
	if err != nil {
		return err
	}
	for _, pod := range pods {
		r, err := DialRedis(ctx, pod.Addr(), userOperator, password)
		if err == nil {
			err = ask(pod, r)
			r.Close()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", pod.Name, err)
		}
	}
	return nil
}

func commandsAt(ctx context.Context, r *Redis, calls map[string]int) error {
	reply, err := r.Do(ctx, "INFO", "commandstats")
	if err != nil {
		return err
	}
	role, err := r.Do(ctx, "INFO", "replication")
	if err != nil {
		return err
	}
	replica := strings.Contains(fmt.Sprint(role), "role:slave")
	for line := range strings.Lines(fmt.Sprint(reply)) {
		name, rest, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		if !ok || replica && (name == "del" || name == "unlink") {
			continue
		}
		var n int
		if _, err := fmt.Sscanf(rest, "%d", &n); err != nil {
			return fmt.Errorf("commandstats %q: %w", line, err)
		}
		calls[name] += n
	}
	return nil
}

// readOnly are the commands that a converged cluster may get: looks, and what replication sends by itself.
var readOnly = []string{
	"auth", "hello", "ping", "info", "cluster|nodes", "cluster|info", "config|get", "replconf", "client|setinfo", "quit",
}

// ReadOnly says whether a converged cluster may get a command, by its name in INFO commandstats.
func ReadOnly(command string) bool { return slices.Contains(readOnly, command) }
