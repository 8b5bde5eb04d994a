package plugin

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// setPaused is the verbs that set spec.paused, and nothing else.
func (c *command) setPaused(paused bool) verb {
	return func(ctx context.Context, clients Clients, args []string) error {
		rc, err := clients.get(ctx, args[0])
		if err != nil {
			return err
		}
		if rc.Spec.Paused == paused {
			return c.print(fmt.Sprintf("rediscluster.%s/%s %s already\n", redisv1.GroupName, rc.Name, pausedWord(paused)))
		}
		if err := clients.setPaused(ctx, rc, paused); err != nil {
			return err
		}
		text := fmt.Sprintf("rediscluster.%s/%s %s\n", redisv1.GroupName, rc.Name, pausedWord(paused))
		if paused {
			text += "What is in hand is brought to an end. Nothing is begun or repaired before: " +
				ourCommand(rc, "resume") + "\n"
		}
		return c.print(text)
	}
}

func pausedWord(paused bool) string {
	if paused {
		return "paused"
	}
	return "resumed"
}

// setPaused changes one field, whatever somebody else changes at the same time.
func (c Clients) setPaused(ctx context.Context, rc *redisv1.RedisCluster, paused bool) error {
	return c.patch(ctx, rc, map[string]any{
		"metadata": map[string]any{"uid": rc.UID},
		"spec":     map[string]any{"paused": paused},
	})
}

// patch merges fields into a RedisCluster. With the UID among them it is refused for a namesake made since.
func (c Clients) patch(ctx context.Context, rc *redisv1.RedisCluster, fields map[string]any) error {
	patch, err := json.Marshal(fields)
	if err != nil {
		return fmt.Errorf("encode patch: %w", err)
	}
	_, err = c.Redis.RedisoperatorV1().RedisClusters(rc.Namespace).Patch(ctx, rc.Name, types.MergePatchType, patch,
		metav1.PatchOptions{FieldManager: fieldManager})
	if err != nil {
		return fmt.Errorf("patch RedisCluster %s: %w", rc.Name, err)
	}
	return nil
}

// fieldManager is the name that the API server keeps with what the plugin writes.
const fieldManager = "kubectl-redis-cluster"
