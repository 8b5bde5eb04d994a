package controller

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/cache"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

// sync brings one RedisCluster one step closer to its spec, and says when to look again; 0: at the next event.
func (c *Controller) sync(ctx context.Context, key cache.ObjectName) (time.Duration, error) {
	rc, err := c.load(key)
	if rc == nil || err != nil {
		return 0, err
	}
	a, view, err := c.look(ctx, rc)
	if err != nil {
		return 0, errors.Join(err, c.report(ctx, rc, outcome{err: err}))
	}
	t := target{rc, view, a, c.ledgers.of(rc).look()}
	t.ledger.seeRoles(view, objects.NodeTimeout(rc), c.Clock.Now())
	closed, misread := objects.Closed(rc, c.Clock.Now())
	o := outcome{
		view: view, observed: true, decision: t.decide(closed), misread: misread, loops: t.ledger.countSyncs(view),
	}
	var ungrown error
	if o.volumes, ungrown = c.growVolumes(ctx, t); rehearsed(rc) {
		o.rehearsal = rehearse(rc, view, closed)
		return rehearsalPace, errors.Join(ungrown, c.report(ctx, rc, o))
	}
	o.err = errors.Join(ungrown, c.act(ctx, t, o.decision))
	o.moves = t.movement(o.decision)
	o.refused, o.kept = t.ledger.settings.refusal, t.ledger.settings.keptMessage()
	if o.err == nil && o.decision.Reason == plan.Converged {
		o.err = c.dropSurplusClaims(ctx, rc, view)
	}
	if err = c.report(ctx, rc, o); err == nil {
		c.tellTakeOvers(ctx, t)
		c.tellGivenUp(ctx, t)
		c.tellWaits(t)
	}
	return t.pace(o, c.Clock.Now()), errors.Join(o.err, err)
}

// decide asks the rules. What they would move by numbers that nobody knows stays where it is, and roles that have only
// just changed stay as they are for a while. closed says why nothing that is well is to be disturbed.
func (t target) decide(closed string) plan.Decision {
	w := wanted(t.rc)
	w.Failback, w.Closed = w.Failback && t.ledger.calm, closed
	d := plan.Next(w, t.view)
	if t.view.Weights == nil && t.ledger.unmeasured != nil && movesSlots(d.Step) {
		return plan.Decision{
			Step: plan.Wait{}, Reason: redisv1.ReasonSlotsNotMeasured, Message: t.ledger.unmeasured.Error(), Requeue: pause,
		}
	}
	return d
}

// look is what there is by now: the objects around the pods are kept, unless the cluster is to be left alone, and then
// every node is asked.
func (c *Controller) look(ctx context.Context, rc *redisv1.RedisCluster) (access, cluster.View, error) {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	reach := c.ensure
	switch {
	case rehearsed(rc):
		reach = c.reach
	case rc.Spec.Paused:
		reach = c.ensureSecrets
	}
	a, err := reach(ctx, rc)
	if err != nil {
		return a, cluster.View{}, err
	}
	view, err := c.observe(ctx, rc, a)
	return a, view, err
}

// pace is when to look again after a step. Slots that could not move are left alone for a while, so that they are
// not asked for again and again.
func (t target) pace(o outcome, now time.Time) time.Duration {
	_, closes := o.decision.Step.(plan.CloseSlots)
	if !closes && !movesSlots(o.decision.Step) || t.ledger.progress {
		return o.decision.Requeue
	}
	return t.ledger.wake(o.err, now)
}

// load is the RedisCluster as the cache has it, with defaults, to change at will; nil when it is gone or going.
func (c *Controller) load(key cache.ObjectName) (*redisv1.RedisCluster, error) {
	stores, err := c.stores(key.Namespace)
	if err != nil {
		return nil, err
	}
	cached, err := stores.Clusters.RedisClusters(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		c.agents.forget(key)
		c.ledgers.forget(key)
		return nil, nil
	}
	if err != nil || cached.DeletionTimestamp != nil {
		return nil, err
	}
	rc := c.ledgers.of(cached).newest(cached).DeepCopy()
	redisv1.SetDefaults(rc)
	return rc, nil
}

// report writes the status, once, if it says anything new, and tells what changed.
func (c *Controller) report(ctx context.Context, rc *redisv1.RedisCluster, o outcome) error {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	now := c.Clock.Now()
	next := statusOf(rc, o, now)
	written, err := c.Status.Update(ctx, rc, next)
	if err != nil {
		return err // what was moved is reported next time
	}
	c.ledgers.of(rc).wrote(rc, written)
	c.Events.Conditions(rc, next)
	c.tellMigration(rc, next.Migration, now)
	c.ledgers.of(rc).unreported = tally{}
	return nil
}
