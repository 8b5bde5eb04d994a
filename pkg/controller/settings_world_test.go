package controller

import (
	"context"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/objects"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// server is what the redis of a pod runs with: what it was started with, and what it was told since.
type server struct {
	conf string
	live map[string]string

	saves   int  // how often it was asked for a snapshot
	slow    bool // it has none when it is asked for the first time
	unsaved bool // it stopped to write its append-only file without a snapshot
}

// byItself is what a server of the tests runs with when it is told nothing. It knows no other directives, but for
// those that the operator itself sets.
var byItself = map[string]string{
	"maxmemory": "0", "maxmemory-policy": "noeviction", "hz": "10", "maxclients": "10000", "databases": "16",
	"save": "3600 1 300 100 60 10000", "timeout": "0", "appendfsync": "everysec", "shutdown-on-sigterm": "default",
	"client-output-buffer-limit": "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
}

// newServer is a server that was started with the ConfigMap as it is.
func (f *fixture) newServer(namespace string) *server {
	s := &server{live: maps.Clone(byItself)}
	if conf, ok := find[*corev1.ConfigMap](f.api, namespace, "demo-config"); ok {
		s.conf = conf.Data[objects.KeyRedisConf]
	}
	for _, d := range objects.ParseConf(s.conf) {
		s.live[d.Name] = d.Value
	}
	return s
}

// set is CONFIG SET: all or nothing, in the words of Redis 7.
func (s *server) set(settings []redis.Setting) string {
	for _, set := range settings {
		_, known := s.live[set.Name]
		switch {
		case !known:
			return fmt.Sprintf("ERR Unknown option or number of arguments for CONFIG SET - '%s'", set.Name)
		case set.Name == "databases":
			return "ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config"
		case strings.HasSuffix(set.Value, "gx"):
			return fmt.Sprintf("ERR CONFIG SET failed (possibly related to argument '%s') - argument must be a memory value",
				set.Name)
		}
	}
	for _, set := range settings {
		s.unsaved = s.unsaved || set.Name == appendOnly && set.Value == "no" && !s.saved()
		s.live[set.Name] = set.Value
		if set.Name == "hz" && set.Value == "1000" {
			s.live["hz"] = "500" // as servers do
		}
	}
	return ""
}

func (s *server) saved() bool { return s.saves > 1 || s.saves == 1 && !s.slow }

// Snapshot implements SettingControl.
func (n *redisNodes) Snapshot(_ context.Context, ep redis.Endpoint) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, m, err := n.login(ep)
	if err != nil {
		return false, err
	}
	s := p.started[m.Pod.Name].server
	s.saves++
	return s.saved(), nil
}

// Settings implements SettingControl.
func (n *redisNodes) Settings(_ context.Context, ep redis.Endpoint) (map[string]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, m, err := n.login(ep)
	if err != nil {
		return nil, err
	}
	n.comparisons++
	live := maps.Clone(p.started[m.Pod.Name].server.live)
	live["dir"] = "/data" // the agent's
	return live, nil
}

// Configure implements SettingControl.
func (n *redisNodes) Configure(_ context.Context, ep redis.Endpoint, settings []redis.Setting) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, m, err := n.login(ep)
	if err != nil || len(settings) == 0 {
		return err
	}
	if fault := n.unwilling[m.Pod.Name]; fault != nil {
		return fault
	}
	s := p.started[m.Pod.Name].server
	if text := s.set(settings); text != "" {
		return redis.NewSettingError(text, settings)
	}
	return n.life.write(fmt.Sprintf("redis config set %s %v", m.Pod.Name, settings), func() error { return nil })
}

// Launch implements AgentControl.
func (a *agentsOf) Launch(_ context.Context, ip string) (agent.Launch, error) {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	p, m, err := a.f.at(ip)
	if err != nil {
		return agent.Launch{}, err
	}
	s := p.started[m.Pod.Name]
	defaults := maps.Clone(byItself)
	defaults["dir"] = "."
	if a.f.noDefaults[m.Pod.Name] {
		defaults = nil
	}
	return agent.Launch{ClusterUID: a.uid, PodUID: string(s.uid), Conf: s.server.conf, Defaults: defaults}, nil
}

// runsWith is the values of a directive, by pod.
func (f *fixture) runsWith(name string) map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	values := map[string]string{}
	for pod, s := range f.places[0].started {
		values[pod] = s.server.live[name]
	}
	return values
}

// everywhere says that all pods run with this value.
func (f *fixture) everywhere(name, value string) {
	f.t.Helper()
	for pod, has := range f.runsWith(name) {
		if !cluster.SameValue(name, has, value) {
			f.t.Errorf("%s runs with %s %q, want %q", pod, name, has, value)
		}
	}
}

// written is the redis.conf that pods start with.
func (f *fixture) written() string {
	f.t.Helper()
	return mustFind[*corev1.ConfigMap](f.t, f.api, "shop", "demo-config").Data[objects.KeyRedisConf]
}
