package plugin

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// advice is what a person can do about what the operator says, each once.
func advice(rc *redisv1.RedisCluster) []string {
	var found []string
	for _, reason := range []string{
		reasonOf(rc, redisv1.ConditionProgressing), reasonOf(rc, redisv1.ConditionDegraded),
	} {
		if text := adviceOn(rc, reason); text != "" && !slices.Contains(found, text) {
			found = append(found, text)
		}
	}
	return found
}

// reasonOf is the reason of a condition; "" when the condition is not there, or answers an older spec or what a person
// has answered since.
func reasonOf(rc *redisv1.RedisCluster, condition string) string {
	c := meta.FindStatusCondition(rc.Status.Conditions, condition)
	if c == nil || outdated(rc) || rc.DeletionTimestamp != nil || !heard(rc, c.Reason) {
		return ""
	}
	return c.Reason
}

// adviceOn is what to do about a reason; "" when there is nothing to be done.
func adviceOn(rc *redisv1.RedisCluster, reason string) string {
	switch reason {
	case plan.Paused:
		return "It goes on after: " + ourCommand(rc, "resume")
	case plan.UpdateAwaitsApproval:
		return "Masters are replaced after: " + ourCommand(rc, "approve")
	case plan.AwaitingWindow:
		return "It goes on by itself in the window. To have it done before, take spec.maintenance.windows away until it is"
	case plan.HostInMaintenance:
		return "It goes on by itself once the Kubernetes node is uncordoned, or drained where volumes can follow their pods"
	case redisv1.ReasonDryRun:
		return fmt.Sprintf("To see the plan: %s. %s", ourCommand(rc, "plan"), carryOut(rc))
	case plan.DataDoesNotFit:
		return "Nothing moves. Keep more masters, give them more memory, or delete data. What fits is found with: " +
			ourCommand(rc, "plan", "--masters=N")
	case plan.SlotsHalfMoved:
		return "The keys that have gone are with the node that is missing: bring its pod back, with its volume"
	case redisv1.ReasonKeyTooBig:
		return "Make the key smaller or delete it, or raise spec.migration.maxKeyBytes: both masters stop while it moves." +
			" Other slots move on"
	case redisv1.ReasonMoveFailed:
		return "No key is lost: a slot that did not arrive stays whole where it was, or is finished later." +
			" The operator tries again by itself once the node is well"
	}
	return ""
}

// carryOut says how to let the operator do what it has planned.
func carryOut(rc *redisv1.RedisCluster) string {
	return fmt.Sprintf("It is carried out after: kubectl annotate rdc %s -n %s %s-",
		rc.Name, rc.Namespace, redisv1.AnnotationDryRun)
}

// migrationNote is the migration of a RedisCluster on one line, and how to see more of it; none when there is none.
func migrationNote(rc *redisv1.RedisCluster, now time.Time) []string {
	if rc.Status.Migration == nil {
		return nil
	}
	return []string{
		"Moving slots: " + progressOf(rc.Status.Migration).sentence(now),
		"To watch it: " + ourCommand(rc, "status", "--watch"),
	}
}

// updateNote says how many pods an update has come to; none when it has come to all.
func updateNote(rc *redisv1.RedisCluster) []string {
	u := rc.Status.Update
	if u == nil || outdated(rc) || u.UpdatedPods >= rc.Status.Pods {
		return nil
	}
	return []string{fmt.Sprintf("Updating pods: %d/%d", u.UpdatedPods, rc.Status.Pods)}
}

// ourCommand is a line to copy to a shell.
func ourCommand(rc *redisv1.RedisCluster, verb string, flags ...string) string {
	words := append([]string{"kubectl redis-cluster", verb, rc.Name, "-n", rc.Namespace}, flags...)
	return strings.Join(words, " ")
}
