package controller

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

// wanted says what the spec asks for, in the words of the rules. The spec has its defaults.
func wanted(rc *redisv1.RedisCluster) plan.Wanted {
	return plan.Wanted{
		Primaries:     int(*rc.Spec.NumberOfMaster),
		Replicas:      int(*rc.Spec.ReplicationFactor),
		Bootstrapped:  rc.Status.Bootstrapped,
		ZoneAware:     *rc.Spec.Placement.ZoneAware,
		Paused:        rc.Spec.Paused,
		Hibernate:     rc.Spec.Hibernate,
		Hibernating:   hibernating(rc),
		Moving:        rc.Status.Migration != nil,
		Overfill:      rc.Spec.Migration.Engine == redisv1.EngineSlotsOnly,
		GiveUp:        givenUp(rc),
		AskQuorum:     rc.Spec.Recovery.Quorum == redisv1.QuorumManual,
		Failback:      *rc.Spec.Placement.Failback,
		HoldPrimaries: rc.Spec.Update.Strategy == redisv1.UpdateSupervised && !approved(rc),
		NodeTimeout:   objects.NodeTimeout(rc),
		Object:        fmt.Sprintf("-n %s rdc/%s", rc.Namespace, rc.Name),
	}
}

// approved says that somebody has agreed to the update to this very revision.
func approved(rc *redisv1.RedisCluster) bool {
	return rc.Annotations[redisv1.AnnotationApprovedRevision] == objects.UpdateHash(rc)
}

// hibernating says that pods have begun to go for hibernation: what the status said last.
func hibernating(rc *redisv1.RedisCluster) bool {
	c := meta.FindStatusCondition(rc.Status.Conditions, redisv1.ConditionProgressing)
	return c != nil && (c.Reason == plan.Hibernating || c.Reason == plan.Hibernated)
}

// givenUp is the slots whose data may be given up once it is lost: all of them by the spec, or those that somebody has
// named. What is no list of slots names none.
func givenUp(rc *redisv1.RedisCluster) cluster.SlotSet {
	if rc.Spec.Recovery.LostShard == redisv1.LostShardEmpty {
		return cluster.AllSlots()
	}
	var slots cluster.SlotSet
	for part := range strings.SplitSeq(rc.Annotations[redisv1.AnnotationGiveUpSlots], ",") {
		if named, err := cluster.ParseSlots(strings.TrimSpace(part)); err == nil {
			slots = slots.Union(named)
		}
	}
	return slots
}
