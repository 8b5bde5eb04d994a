package controller

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

const (
	// settingsAge is how old a comparison of settings may get: somebody may have set one by hand, or a node may have been
	// started with a file that the kubelet had not brought up to date.
	settingsAge = 10 * time.Second
	// settingsTimeout bounds one comparison. A node that hangs must not keep others from being healed.
	settingsTimeout = 3 * time.Second
)

// compareSettings adds to the view what nodes do not run with as the spec wants it. Nodes are asked when the spec has
// changed, when one was started, while there is something to set, and else from time to time.
func (c *Controller) compareSettings(
	ctx context.Context, rc *redisv1.RedisCluster, a access, view *cluster.View,
) error {
	l := &c.ledgers.of(rc).settings
	if !rc.Status.Bootstrapped || a.agents == nil {
		return nil
	}
	written, err := c.writtenConf(rc)
	if err != nil {
		return err
	}
	conf := objects.NewConfigMap(rc).Data[objects.KeyRedisConf]
	now, wanted := c.Clock.Now(), directives(objects.Directives(rc))
	if !l.settled || now.Sub(l.at) >= settingsAge || written != conf && l.refusal == "" || !l.knows(*view) {
		l.begin(now)
		l.noteTaken(written, wanted)
		for i, said := range c.readSettings(ctx, l, a, *view) {
			switch m := &view.Members[i]; {
			case said.live != nil:
				own := directives(objects.DirectivesWithin(rc, m.Pod.MemoryLimit))
				l.judge(m, said, own)
				l.noteKept(m.Pod.Name, said, own)
				view.Unwritten = written != conf
			case broken(*m) && written == conf:
				l.restarts[process(*m)] = launchDrifts(askLaunch(ctx, a, m.Pod), wanted)
			}
		}
		l.end(view)
	}
	for i := range view.Members {
		m := &view.Members[i]
		m.Restart = l.restarts[process(*m)]
		m.Pod.Outdated = m.Pod.Outdated || len(m.Restart) > 0
	}
	return nil
}

// writtenConf is the redis.conf that nodes start with; "" when there is none.
func (c *Controller) writtenConf(rc *redisv1.RedisCluster) (string, error) {
	stores, err := c.stores(rc.Namespace)
	if err != nil {
		return "", err
	}
	cached, err := stores.ConfigMaps.ConfigMaps(rc.Namespace).Get(rc.ConfigMapName())
	if err != nil {
		if apierrors.IsNotFound(err) {
			err = nil
		}
		return "", err
	}
	return cached.Data[objects.KeyRedisConf], nil
}

// broken says that redis has run in a pod and does not start any more.
func broken(m cluster.Member) bool {
	return m.Info == nil && m.Down && m.Pod.State == cluster.PodRunning && m.Pod.Trouble != ""
}

// launchDrifts is what a redis that did not come up was started with, and would not be by now: the next pod may heal.
func launchDrifts(l launch, wanted []cluster.Setting) []cluster.Drift {
	if l.conf == nil {
		return nil
	}
	dropReserved(l.conf)
	var drifts []cluster.Drift
	for _, s := range wanted {
		if has, set := l.conf[s.Name]; !set || has != s.Value {
			drifts = append(drifts, cluster.Drift{Name: s.Name, Has: has, Want: s.Value})
		}
		delete(l.conf, s.Name)
	}
	for name, has := range l.conf {
		drifts = append(drifts, cluster.Drift{Name: name, Has: has})
	}
	slices.SortFunc(drifts, func(a, b cluster.Drift) int { return strings.Compare(a.Name, b.Name) })
	return drifts
}

// said is what is known of the settings of a node.
type said struct {
	live   map[string]string // nil when it did not say
	launch launch
}

// launch is what a process was started with.
type launch struct {
	conf     map[string]string // nil when it is not known
	defaults map[string]string
}

// readSettings asks all nodes that were seen, at the same time. It is in the order of the members.
func (c *Controller) readSettings(ctx context.Context, l *settings, a access, view cluster.View) []said {
	ctx, cancel := context.WithTimeout(ctx, settingsTimeout)
	defer cancel()
	all := make([]said, len(view.Members))
	var seen []int
	for i, m := range view.Members {
		if m.Seen() && m.Pod.State == cluster.PodRunning {
			seen = append(seen, i)
		}
	}
	var mu sync.Mutex
	_ = each(ctx, seen, func(ctx context.Context, i int) error {
		m := view.Members[i]
		live, err := c.Settings.Settings(ctx, endpoint(m.Pod.IP, a))
		if err != nil {
			return err // it is asked again at the next look
		}
		dropReserved(live)
		mu.Lock()
		known, ok := l.launches[process(m)]
		mu.Unlock()
		if !ok {
			known = askLaunch(ctx, a, m.Pod)
		}
		mu.Lock()
		defer mu.Unlock()
		if known.conf != nil {
			l.launches[process(m)] = known
		}
		all[i] = said{live: live, launch: known}
		return nil
	})
	return all
}

// askLaunch asks the agent of a pod what its redis was started with. An agent that does not say makes nothing wrong:
// what is taken out of the spec is then as it is until the node starts again.
func askLaunch(ctx context.Context, a access, pod cluster.Pod) launch {
	answer, err := a.agents.Launch(ctx, pod.IP)
	if err != nil || answer.PodUID != pod.UID {
		return launch{}
	}
	dropReserved(answer.Defaults)
	l := launch{conf: map[string]string{}, defaults: answer.Defaults}
	if answer.Conf == "" {
		return launch{defaults: answer.Defaults}
	}
	for _, d := range objects.ParseConf(answer.Conf) {
		l.conf[d.Name] = d.Value
	}
	return l
}

// dropReserved leaves out what is not for the spec: the agent sets it, in each pod as it has to be there.
func dropReserved(values map[string]string) {
	for name := range values {
		if redisv1.Reserved(name) {
			delete(values, name)
		}
	}
}

func directives(from []objects.Directive) []cluster.Setting {
	var all []cluster.Setting
	for _, d := range from {
		if !redisv1.Reserved(d.Name) {
			all = append(all, cluster.Setting(d))
		}
	}
	return all
}

// process is the redis that runs in a pod: another one after a restart.
func process(m cluster.Member) string { return m.Pod.UID + " " + m.Pod.Process }
