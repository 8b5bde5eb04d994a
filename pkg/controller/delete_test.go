package controller

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
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

// inTurn gives one answer after the other.
type inTurn struct {
	RedisControl
	answers *[]redis.Observation
}

func (r inTurn) ObserveAll(context.Context, []redis.Endpoint) []redis.Observation {
	next := (*r.answers)[:1]
	*r.answers = (*r.answers)[1:]
	return next
}

// S2, at the moment of harm: a replica that is replaced need not be in sync, but its primary is asked, too.
func TestDeletePod_AsksThePrimary(t *testing.T) {
	t.Parallel()
	view := clustertest.Cluster(3, 1).View()
	seen := func(pod string, edit func(*cluster.NodeInfo)) redis.Observation {
		i := slices.IndexFunc(view.Members, func(m cluster.Member) bool { return m.Pod.Name == pod })
		info := *view.Members[i].Info
		info.Table = slices.Clone(info.Table)
		edit(&info)
		return redis.Observation{Info: &info}
	}
	unchanged := func(*cluster.NodeInfo) {}
	unlinked := func(i *cluster.NodeInfo) { i.LinkUp = false }
	primary := view.Members[0].ID()
	for name, tc := range map[string]struct {
		replica, primary redis.Observation
		refused          string
	}{
		"a replica that is not in sync goes, as its primary is there": {seen("demo-4", unlinked), seen("demo-0", unchanged), ""},
		"a replica whose primary does not answer stays": {
			seen("demo-4", unchanged), redis.Observation{Err: errors.New("nobody listens")}, "nobody listens",
		},
		"a replica whose primary is no primary any more stays": {seen("demo-4", unchanged), seen("demo-5", unchanged), "no primary"},
		"a replica that follows another by now stays": {
			seen("demo-5", unchanged), seen("demo-0", unchanged), "follows",
		},
		"a replica that was promoted stays": {seen("demo-0", unchanged), seen("demo-0", unchanged), "owns slots"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pods := &kubetest.PodControl{}
			c := &Controller{Config: Config{Pods: pods, Redis: inTurn{answers: &[]redis.Observation{tc.replica, tc.primary}}}}
			err := c.deletePod(t.Context(), target{rc: defaulted(), view: view}, plan.DeletePod{Pod: "demo-4", Primary: primary})
			did := pods.Take()
			if tc.refused == "" && (err != nil || !slices.Equal(did, []string{"delete demo-4"})) {
				t.Errorf("did %q, error %v", did, err)
			}
			if tc.refused != "" && (err == nil || !strings.Contains(err.Error(), tc.refused) || len(did) > 0) {
				t.Errorf("did %q, error %v, want a refusal with %q", did, err, tc.refused)
			}
		})
	}
}

// A pod that was seen to have crashed, and runs redis by now, stays.
func TestDeletePod_RunsByNow(t *testing.T) {
	t.Parallel()
	for name, running := range map[string]bool{"it runs": true, "it does not": false} {
		live := &corev1.Pod{}
		live.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: redisv1.ContainerRedis}}
		if running {
			live.Status.ContainerStatuses[0].State = isRunning
		}
		pods := &kubetest.PodControl{Live: func(string) *corev1.Pod { return live }}
		c := &Controller{Config: Config{Pods: pods}}
		err := c.deletePod(t.Context(), target{rc: defaulted()}, plan.DeletePod{Pod: "demo-4", Stopped: true})
		if (err != nil) != running || (len(pods.Take()) == 0) != running {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
