package witness

import (
	"context"
	"fmt"
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
