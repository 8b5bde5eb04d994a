package redisnode

import (
	"context"
	"os"
	"strings"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/agent"
)

// Launch is what redis was started with. The lines of this pod are not part of it: they have a password.
func (a *Agent) Launch(context.Context) agent.Launch {
	l := agent.Launch{
		ClusterUID: a.opts.ClusterUID, PodUID: a.opts.PodUID, Defaults: readDefaults(a.opts.RunDir).Settings,
	}
	conf, err := os.ReadFile(confPath(a.opts.RunDir))
	if err != nil {
		glog.V(4).Infof("%s: launch: %v", &a.opts, err)
		return l
	}
	l.Conf, _, _ = strings.Cut(string(conf), podLines)
	return l
}
