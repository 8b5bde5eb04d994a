package plugin

import (
	"context"
	"fmt"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// approve lets a supervised update come to masters. What is approved is the revision that the operator has looked at: a
// later change of the spec asks again.
func (c *command) approve(ctx context.Context, clients Clients, args []string) error {
	rc, err := clients.get(ctx, args[0])
	if err != nil {
		return err
	}
	update := rc.Status.Update
	switch {
	case update == nil || outdated(rc):
		return fmt.Errorf("the operator has not looked at the spec of %s yet: try again when it has", rc.Name)
	case rc.Spec.Update.Strategy != redisv1.UpdateSupervised:
		return fmt.Errorf("there is nothing to approve: spec.update.strategy of %s is %s", rc.Name, rc.Spec.Update.Strategy)
	case update.UpdatedPods == rc.Status.Pods:
		return fmt.Errorf("there is nothing to approve: all pods of %s are updated", rc.Name)
	case rc.Annotations[redisv1.AnnotationApprovedRevision] == update.Revision:
		return c.print(fmt.Sprintf("rediscluster.%s/%s approved already\n", redisv1.GroupName, rc.Name))
	}
	if err := clients.annotate(ctx, rc, redisv1.AnnotationApprovedRevision, update.Revision); err != nil {
		return err
	}
	return c.print(fmt.Sprintf("rediscluster.%s/%s approved\nMasters are replaced now. To watch it: %s\n",
		redisv1.GroupName, rc.Name, ourCommand(rc, "status", "--watch")))
}

// heard is false while the operator has not looked since a person has told it, by an annotation, to go on with what it
// stands still for.
func heard(rc *redisv1.RedisCluster, reason string) bool {
	switch reason {
	case plan.UpdateAwaitsApproval:
		return rc.Status.Update == nil || rc.Annotations[redisv1.AnnotationApprovedRevision] != rc.Status.Update.Revision
	case redisv1.ReasonDryRun:
		return rc.Annotations[redisv1.AnnotationDryRun] == "true"
	}
	return true
}

// annotate sets one annotation of a RedisCluster, but not of a namesake made since.
func (c Clients) annotate(ctx context.Context, rc *redisv1.RedisCluster, name, value string) error {
	return c.patch(ctx, rc, map[string]any{"metadata": map[string]any{
		"uid": rc.UID, "annotations": map[string]string{name: value},
	}})
}
