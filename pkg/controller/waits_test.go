package controller

import (
	"context"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/redisoperator/redis-operator/pkg/agent"
	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// refusing has nobody listen in one pod.
type refusing struct {
	RedisControl

	ip string
}

// ObserveAll implements RedisControl.
func (r refusing) ObserveAll(ctx context.Context, eps []redis.Endpoint) []redis.Observation {
	seen := r.RedisControl.ObserveAll(ctx, eps)
	for i := range seen {
		if strings.HasPrefix(eps[i].Addr, r.ip+":") {
			seen[i] = redis.Observation{Err: redis.ErrRefused}
		}
	}
	return seen
}

// A gate that is shut for longer than a start takes is an event of the pod, with what it waits for, once; something else
// that it waits for is another one.
func TestWaitsAreTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo(persistent))
	f.converge("shop")
	f.c.Redis = refusing{f.c.Redis, mustFind[*corev1.Pod](t, f.api, "shop", "demo-1").Status.PodIP}
	waits := func(what string) {
		f.answers["demo-1"] = func(s agent.Status) (agent.Status, error) {
			s.Phase, s.Waiting = agent.PhaseGate, what
			return s, nil
		}
	}
	told := func(looks int) []string {
		_ = f.looks(looks)
		return slices.DeleteFunc(f.story.take(), func(e string) bool { return !strings.Contains(e, redisv1.EventWaitingAtGate) })
	}
	waits("demo-4 has a copy of the data and does not run yet")
	if events := told(2); len(events) > 0 {
		t.Errorf("told at once: %q", events)
	}
	for _, what := range []string{"demo-4 has a copy of the data and does not run yet", "the node is fenced"} {
		waits(what)
		want := []string{"shop Normal WaitingAtGate redis is not started yet: " + what}
		if events := told(20); !slices.Equal(events, want) {
			t.Errorf("events %q, want %q", events, want)
		}
	}
}
