package witness

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Settings are what the node in each pod runs with, in its own words, by pod.
func (c *Cluster) Settings(ctx context.Context) (map[string]map[string]string, error) {
	all := map[string]map[string]string{}
	err := c.eachRedis(ctx, func(pod Pod, r *Redis) (err error) {
		all[pod.Name], err = settingsAt(ctx, r)
		return err
	})
	return all, err
}

func settingsAt(ctx context.Context, r *Redis) (map[string]string, error) {
	reply, err := r.Do(ctx, "CONFIG", "GET", "*")
	if err != nil {
		return nil, err
	}
	words, ok := reply.([]any)
	if !ok || len(words)%2 != 0 {
		return nil, fmt.Errorf("CONFIG GET answers %T", reply)
	}
	settings := map[string]string{}
	for i := 0; i < len(words); i += 2 {
		settings[fmt.Sprint(words[i])] = fmt.Sprint(words[i+1])
	}
	return settings, nil
}

// RunIDs tell one start of the Redis in each pod from the next, by pod.
func (c *Cluster) RunIDs(ctx context.Context) (map[string]string, error) {
	all := map[string]string{}
	err := c.eachRedis(ctx, func(pod Pod, r *Redis) (err error) {
		all[pod.Name], err = runIDAt(ctx, r)
		return err
	})
	return all, err
}

func runIDAt(ctx context.Context, r *Redis) (string, error) {
	reply, err := r.Do(ctx, "INFO", "server")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(fmt.Sprint(reply)) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "run_id:"); ok {
			return id, nil
		}
	}
	return "", errors.New("INFO server has no run_id")
}
