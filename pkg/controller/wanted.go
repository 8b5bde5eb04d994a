package controller

import (
	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// wanted says what the spec asks for, in the words of the rules. The spec has its defaults.
func wanted(rc *redisv1.RedisCluster) plan.Wanted {
	return plan.Wanted{
		Primaries:    int(*rc.Spec.NumberOfMaster),
		Replicas:     int(*rc.Spec.ReplicationFactor),
		Bootstrapped: rc.Status.Bootstrapped,
		ZoneAware:    *rc.Spec.Placement.ZoneAware,
		Paused:       rc.Spec.Paused,
		Moving:       rc.Status.Migration != nil,
		Overfill:     rc.Spec.Migration.Engine == redisv1.EngineSlotsOnly,
	}
}
