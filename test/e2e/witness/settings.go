package witness

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Settings are what the node in each pod runs with, in its own words, by pod.
func (c *Cluster) Settings(ctx context.Context) (map[string]map[string]string, error) {
	password, err := c.Password(ctx, userOperator)
	if err != nil {
		return nil, err
	}
	pods, err := c.Pods(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]map[string]string{}
	for _, pod := range pods {
		if all[pod.Name], err = settingsAt(ctx, pod, password); err != nil {
			return nil, fmt.Errorf("%s: %w", pod.Name, err)
		}
	}
	return all, nil
}

func settingsAt(ctx context.Context, pod Pod, password string) (map[string]string, error) {
	r, err := DialRedis(ctx, pod.Addr(), userOperator, password)
	if err != nil {
		return nil, err
	}
	defer r.Close()
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
	password, err := c.Password(ctx, userOperator)
	if err != nil {
		return nil, err
	}
	pods, err := c.Pods(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, pod := range pods {
		if all[pod.Name], err = runIDAt(ctx, pod, password); err != nil {
			return nil, fmt.Errorf("%s: %w", pod.Name, err)
		}
	}
	return all, nil
}

func runIDAt(ctx context.Context, pod Pod, password string) (string, error) {
	r, err := DialRedis(ctx, pod.Addr(), userOperator, password)
	if err != nil {
		return "", err
	}
	defer r.Close()
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
