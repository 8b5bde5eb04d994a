package redisnode

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// settle gives a node that has found its place the node-timeout that the ConfigMap asks for. It compares
// with what redis runs with, and not with what this agent remembers, so that it holds when the agent was
// started again; and it touches no other value than those of a forming and of a joining node, so that it does not undo
// what the operator has set since.
//
// One that has just become a replica gets the short one of a forming node until it is in sync: it pings everybody once
// in half of that, so that all hear of its role, and what a replica says against others does not count.
func (a *Agent) settle(ctx context.Context, look snapshot) {
	if look.info == nil {
		a.settled, a.hastened = false, false
		return
	}
	var err error
	switch {
	case a.settled:
	case look.info.StateOK && look.hasRole():
		err = a.setNodeTimeout(ctx, configuredNodeTimeout)
		a.settled = err == nil
	case !a.hastened && look.info.Self().Role == cluster.Replica:
		err = a.setNodeTimeout(ctx, func(string) int { return formingNodeTimeout })
		a.hastened = err == nil
	}
	if err != nil {
		glog.Warningf("%s: node-timeout: %v", &a.opts, err)
	}
}

const nodeTimeoutSetting = "cluster-node-timeout"

// setNodeTimeout sets what is wanted by the text of the ConfigMap, in place of what a node begins with.
func (a *Agent) setNodeTimeout(ctx context.Context, wantedBy func(text string) int) error {
	text, err := os.ReadFile(filepath.Join(a.opts.ConfigDir, confFile))
	if err != nil {
		return err
	}
	conf, wanted := string(text), wantedBy(string(text))
	var first []string
	for _, way := range []arrival{forms, joins} {
		if at := nodeTimeout(conf, way); at < configuredNodeTimeout(conf) && at != wanted {
			first = append(first, strconv.Itoa(at))
		}
	}
	if len(first) == 0 {
		return nil
	}
	ep, err := a.endpoint()
	if err != nil {
		return err
	}
	live, err := a.clients.ConfigGet(ctx, ep, nodeTimeoutSetting)
	if err != nil || !slices.Contains(first, live[nodeTimeoutSetting]) {
		return err
	}
	value := strconv.Itoa(wanted)
	if err := a.clients.ConfigSet(ctx, ep, []redis.Setting{{Name: nodeTimeoutSetting, Value: value}}); err != nil {
		return err
	}
	glog.Infof("%s: %s %s", &a.opts, nodeTimeoutSetting, value)
	return nil
}
