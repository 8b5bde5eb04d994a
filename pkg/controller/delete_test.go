package controller

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/kube/kubetest"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// sayingRedis gives every look the same answer.
type sayingRedis struct {
	RedisControl
	answer redis.Observation
}

func (r sayingRedis) ObserveAll(_ context.Context, eps []redis.Endpoint) []redis.Observation {
	all := make([]redis.Observation, len(eps))
	for i := range all {
		all[i] = r.answer
	}
	return all
}

// S2, at the moment of harm: a pod that was surplus when it was looked at is not deleted when its node has got
// slots since, has lost its primary, or cannot be asked any more.
func TestDeletePod_AsksTheNodeAgain(t *testing.T) {
	t.Parallel()
	view := clustertest.Cluster(3, 1).View()
	infoOf := func(pod string, edit func(*cluster.NodeInfo)) redis.Observation {
		for _, m := range view.Members {
			if m.Pod.Name == pod {
				info := *m.Info
				edit(&info)
				return redis.Observation{Info: &info}
			}
		}
		t.Fatalf("no %s in the model", pod)
		return redis.Observation{}
	}
	unchanged := func(*cluster.NodeInfo) {}
	for name, tc := range map[string]struct {
		answer  redis.Observation
		refused string // "" when it is deleted
	}{
		"a replica in sync is deleted": {answer: infoOf("demo-4", unchanged)},
		"a node that was promoted stays": {
			answer: infoOf("demo-0", unchanged), refused: "owns slots",
		},
		"a replica that has lost its primary stays": {
			answer: infoOf("demo-4", func(i *cluster.NodeInfo) { i.LinkUp = false }), refused: "last copy",
		},
		"a node that does not answer any more stays": {
			answer: redis.Observation{Err: errors.New("nobody listens")}, refused: "nobody listens",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pods := &kubetest.PodControl{}
			c := &Controller{Config: Config{Pods: pods, Redis: sayingRedis{answer: tc.answer}}}
			err := c.deletePod(t.Context(), target{rc: defaulted(), view: view}, plan.DeletePod{Pod: "demo-4"})
			did := pods.Take()
			if tc.refused == "" {
				if err != nil || !slices.Equal(did, []string{"delete demo-4"}) {
					t.Errorf("did %q, error %v", did, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.refused) || len(did) > 0 {
				t.Errorf("did %q, error %v, want a refusal with %q", did, err, tc.refused)
			}
		})
	}
}
