package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redisoperator/redis-operator/pkg/agent"
	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/kube"
	"github.com/redisoperator/redis-operator/pkg/objects"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// rehearsalPace is how often a cluster is looked at that is only planned for.
const rehearsalPace = 15 * time.Second

// rehearsed says that everything is planned and nothing done.
func rehearsed(rc *redisv1.RedisCluster) bool {
	return rc.Annotations[redisv1.AnnotationDryRun] == "true"
}

// rehearse is what would be done. closed says why nothing that is well is to be disturbed.
func rehearse(rc *redisv1.RedisCluster, view cluster.View, closed string) *redisv1.PlanStatus {
	w := wanted(rc)
	w.Closed = closed
	return planStatus(rc, plan.Outline(w, view), speedOf(rc, view))
}

// planStatus is an outline as the status has it.
func planStatus(rc *redisv1.RedisCluster, o plan.Outlined, speed plan.Speed) *redisv1.PlanStatus {
	s := &redisv1.PlanStatus{
		Slots:            count(o.Slots),
		Keys:             o.Keys,
		Bytes:            o.Bytes,
		EstimatedSeconds: int64(o.Duration(speed).Seconds()),
		Refused:          trim(o.Refused),
	}
	for _, ordinal := range o.PodsCreated {
		s.PodsCreated = append(s.PodsCreated, rc.PodName(ordinal))
	}
	s.PodsDeleted = slices.Clone(o.PodsDeleted)
	for _, step := range o.Steps {
		s.Steps = append(s.Steps, trim(step))
	}
	if o.Waits != "" {
		s.Steps = append(s.Steps, trim("wait: "+o.Waits))
	}
	if more := len(s.Steps) - redisv1.MaxPlanSteps + 1; more > 1 {
		s.Steps = append(s.Steps[:redisv1.MaxPlanSteps-1], fmt.Sprintf("and %d more steps", more))
	}
	s.PodsCreated = s.PodsCreated[:min(len(s.PodsCreated), redisv1.MaxPlanPods)]
	s.PodsDeleted = s.PodsDeleted[:min(len(s.PodsDeleted), redisv1.MaxPlanPods)]
	return s
}

// rehearsalMessage says that nothing is done, and where to read what would be.
func rehearsalMessage(s *redisv1.PlanStatus) string {
	const why = "nothing is done: the annotation " + redisv1.AnnotationDryRun + " is set"
	switch {
	case s.Refused != "":
		return why + "; it would be refused: " + s.Refused
	case len(s.Steps) == 0:
		return why + "; there is nothing to do"
	}
	return why + "; status.plan says what would be"
}

// speedOf is how fast slots would move.
func speedOf(rc *redisv1.RedisCluster, view cluster.View) plan.Speed {
	switch m := rc.Spec.Migration; {
	case m.Engine == redisv1.EngineSlotsOnly:
		return plan.SpeedSlotsOnly
	case m.Engine == redisv1.EngineAuto && atomic(view):
		return plan.SpeedAtomic
	case m.Profile == redisv1.ProfileThroughput:
		return plan.SpeedThroughput
	}
	return plan.SpeedLatency
}

// atomic says that the servers can move whole slots by themselves.
func atomic(view cluster.View) bool {
	for _, m := range view.Members {
		if m.Seen() && !movesWhole(m.Info.Version) {
			return false
		}
	}
	return true
}

// movesWhole is true for Valkey from 9 and for Redis from 8.4.
func movesWhole(version string) bool {
	name, number, _ := strings.Cut(version, " ")
	parts := append(strings.Split(number, "."), "0")
	major, err := strconv.Atoi(parts[0])
	if err != nil {
		return false
	}
	minor, err := strconv.Atoi(parts[1])
	if err != nil {
		return false
	}
	if name == "valkey" {
		return major >= 9
	}
	return major > 8 || major == 8 && minor >= 4
}

// reach is how the nodes and agents of a cluster are reached, without making anything that is missing: then there is
// no way.
func (c *Controller) reach(ctx context.Context, rc *redisv1.RedisCluster) (access, error) {
	values := map[string]string{}
	for _, s := range []struct{ name, key string }{
		{rc.InternalSecretName(), objects.KeyOperatorPassword},
		{rc.AgentCASecretName(), objects.KeyCACert},
		{rc.AgentCASecretName(), objects.KeyCAKey},
	} {
		value, err := c.Secrets.Require(ctx, rc, s.name, s.key)
		if errors.Is(err, kube.ErrSecretNotFound) {
			return access{}, nil
		}
		if err != nil {
			return access{}, err
		}
		values[s.key] = string(value)
	}
	ca, err := agent.ParseCA([]byte(values[objects.KeyCACert]), []byte(values[objects.KeyCAKey]))
	if err != nil {
		return access{}, fmt.Errorf("secret %s: %w", rc.AgentCASecretName(), err)
	}
	agents, err := c.agents.of(rc, ca)
	if err != nil {
		return access{}, err
	}
	operator := redis.Credentials{Username: agent.UserOperator, Password: values[objects.KeyOperatorPassword]}
	return access{operator: operator, agents: agents}, nil
}
