package redisnode

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"k8s.io/utils/clock"
)

// The directories of the pod.
const (
	DefaultDataDir   = "/data"
	DefaultRunDir    = "/run/redisnode"
	DefaultConfigDir = "/etc/redisnode"
)

// Options are what an agent is told about its pod.
type Options struct {
	PodName, PodNamespace, PodUID, PodIP string
	ClusterName, ClusterUID              string
	ServiceName                          string

	// Conf are lines of redis.conf that belong to this pod, for as long as it lives: modules and renamed commands.
	Conf string
	// Denied are commands that clients may not run.
	Denied []string

	DataDir, RunDir, ConfigDir string

	// ListenIP is where the agent's servers listen; "": everywhere.
	ListenIP string
	// RedisBind is the argument of redis' directive bind.
	RedisBind string
	// Version is what the agent says its version is.
	Version string
	Clock   clock.Clock
	// Resolve gives the addresses of a name.
	Resolve func(ctx context.Context, name string) ([]string, error)

	// They are the constants of their names, but for tests.
	lostBound, markInterval time.Duration
}

// Complete sets what was left open, and says what is missing.
func (o *Options) Complete() error {
	var errs []error
	for _, required := range []struct{ name, value string }{
		{"POD_NAME", o.PodName},
		{"POD_NAMESPACE", o.PodNamespace},
		{"POD_UID", o.PodUID},
		{"POD_IP", o.PodIP},
		{"CLUSTER_NAME", o.ClusterName},
		{"CLUSTER_UID", o.ClusterUID},
		{"SERVICE_NAME", o.ServiceName},
	} {
		if required.value == "" {
			errs = append(errs, fmt.Errorf("%s is not set", required.name))
		}
	}
	if o.PodIP != "" && net.ParseIP(o.PodIP) == nil {
		errs = append(errs, fmt.Errorf("POD_IP %q is not an address", o.PodIP))
	}
	setDefault(&o.DataDir, DefaultDataDir)
	setDefault(&o.RunDir, DefaultRunDir)
	setDefault(&o.ConfigDir, DefaultConfigDir)
	setDefault(&o.RedisBind, "* -::*")
	o.lostBound = cmp.Or(o.lostBound, lostBound)
	o.markInterval = cmp.Or(o.markInterval, markInterval)
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Resolve == nil {
		o.Resolve = net.DefaultResolver.LookupHost
	}
	return errors.Join(errs...)
}

// String names the pod in logs.
func (o *Options) String() string { return o.PodNamespace + "/" + o.PodName }

func setDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

func gateSocket(runDir string) string  { return filepath.Join(runDir, "gate.sock") }
func redisSocket(runDir string) string { return filepath.Join(runDir, "redis.sock") }
func confPath(runDir string) string    { return filepath.Join(runDir, "redis.conf") }
func aclPath(runDir string) string     { return filepath.Join(runDir, "users.acl") }
