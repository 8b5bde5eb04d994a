package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/kube"
	"github.com/redisoperator/redis-operator/pkg/objects"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// configure sets directives at nodes that run: at the first alone, and when that takes them at all others at the same
// time. When a server refuses one, those that have taken them get back what they had, and nothing is written. A node
// that does not answer is asked again later, and keeps nobody else back.
func (c *Controller) configure(ctx context.Context, t target, s plan.Configure) error {
	var mu sync.Mutex
	var taken []plan.Change
	set := func(ctx context.Context, change plan.Change) error {
		settings, err := c.setLive(ctx, t, change)
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			change.Settings = settings
			taken = append(taken, change)
		}
		return err
	}
	var failed error
	if len(s.Changes) > 0 {
		if err := set(ctx, s.Changes[0]); err != nil {
			return err
		}
		failed = each(ctx, s.Changes[1:], set)
	}
	if errors.Is(failed, redis.ErrRefusedSetting) {
		return errors.Join(failed, c.putBack(ctx, t, taken))
	}
	stores, err := c.stores(t.rc.Namespace)
	if err != nil {
		return err
	}
	cached := kube.From(stores.ConfigMaps.ConfigMaps(t.rc.Namespace))
	return errors.Join(failed, c.Objects.Ensure(ctx, t.rc, objects.NewConfigMap(t.rc), cached))
}

// setLive sets at one node what it takes while it runs, and learns what it does not.
func (c *Controller) setLive(ctx context.Context, t target, change plan.Change) ([]cluster.Drift, error) {
	l := &t.ledger.settings
	m, err := t.seen(change.Pod)
	if err != nil {
		return nil, err
	}
	for {
		settings, err := c.snapshotFirst(ctx, t, m, l.takes(m.Info.Version, change.Settings))
		if err == nil {
			err = c.Settings.Configure(ctx, endpoint(m.Pod.IP, t.access), redisSettings(settings, wantOf))
		}
		no, said := errors.AsType[*redis.SettingError](err)
		switch {
		case err == nil:
			l.give(m, settings)
			return settings, nil
		case said && errors.Is(err, redis.ErrImmutable) && no.Name != "":
			l.fix(m.Info.Version, no.Name)
		case said && errors.Is(err, redis.ErrRefusedSetting):
			refused := &refusedSettingError{pod: change.Pod, drifts: named(settings, no.Name), rc: t.rc, err: no}
			l.refuse(m.Info.Version, refused.drifts, refused.Error())
			return nil, refused
		default:
			l.rest(change.Pod, c.Clock.Now().Add(rest))
			return nil, fmt.Errorf("configure %s: %w", change.Pod, err)
		}
	}
}

const (
	appendOnly = "appendonly"
	// snapshotRest is how long a node is left alone that writes a snapshot.
	snapshotRest = 2 * time.Second
)

// snapshotFirst leaves out of settings that a node stops to write its append-only file, until it has a snapshot of what
// is in it: it would start again with an older one, or with none.
func (c *Controller) snapshotFirst(
	ctx context.Context, t target, m cluster.Member, settings []cluster.Drift,
) ([]cluster.Drift, error) {
	stops := func(d cluster.Drift) bool { return d.Name == appendOnly && cluster.SameValue(appendOnly, d.Want, "no") }
	if !slices.ContainsFunc(settings, stops) || !objects.MakesSnapshots(t.rc) {
		return settings, nil
	}
	done, err := c.Settings.Snapshot(ctx, endpoint(m.Pod.IP, t.access))
	if err != nil || done {
		return settings, err
	}
	t.ledger.settings.rest(m.Pod.Name, c.Clock.Now().Add(snapshotRest))
	return slices.DeleteFunc(slices.Clone(settings), stops), nil
}

// putBack gives nodes what they had before.
func (c *Controller) putBack(ctx context.Context, t target, taken []plan.Change) error {
	return each(ctx, taken, func(ctx context.Context, change plan.Change) error {
		ep, err := t.endpoint(change.Pod)
		if err != nil {
			return err
		}
		return c.Settings.Configure(ctx, ep, redisSettings(change.Settings, hasOf))
	})
}

func wantOf(d cluster.Drift) string { return d.Want }
func hasOf(d cluster.Drift) string  { return d.Has }

func redisSettings(drifts []cluster.Drift, value func(cluster.Drift) string) []redis.Setting {
	all := make([]redis.Setting, len(drifts))
	for i, d := range drifts {
		all[i] = redis.Setting{Name: d.Name, Value: value(d)}
	}
	return all
}

// named is the one of the settings with this name; all of them when there is none.
func named(drifts []cluster.Drift, name string) []cluster.Drift {
	for _, d := range drifts {
		if d.Name == name {
			return []cluster.Drift{d}
		}
	}
	return drifts
}

// refusedSettingError is a part of the spec that a server does not take.
type refusedSettingError struct {
	pod    string
	drifts []cluster.Drift
	rc     *redisv1.RedisCluster
	err    *redis.SettingError
}

// Error names the field of the spec, and quotes the server.
func (e *refusedSettingError) Error() string {
	var fields []string
	for _, d := range e.drifts {
		fields = append(fields, fieldOf(e.rc, d.Name))
	}
	return fmt.Sprintf("%s: %s refuses %q: %s", strings.Join(fields, ", "), e.pod, e.drifts[0].Want, e.err.Text)
}

// Unwrap is the error of the command.
func (e *refusedSettingError) Unwrap() error { return e.err }

// fieldOf is the field of the spec that a directive comes from.
func fieldOf(rc *redisv1.RedisCluster, name string) string {
	if _, set := rc.Spec.Config[name]; set {
		return "spec.config[" + name + "]"
	}
	return name
}
