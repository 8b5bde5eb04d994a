package redisnode

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/redis"
)

// settle gives a node that has found its place the node-timeout that the ConfigMap asks for. It compares
// with what redis runs with, and not with what this agent remembers, so that it holds when the agent was
// started again; and it touches no other value than those of a forming and of a joining node, so that it does not undo
// what the operator has set since.
func (a *Agent) settle(ctx context.Context, look snapshot) {
	if look.info == nil {
		a.settled = false
		return
	}
	if a.settled || !look.info.StateOK || !look.hasRole() {
		return
	}
	if err := a.setNodeTimeout(ctx); err != nil {
		glog.Warningf("%s: node-timeout: %v", &a.opts, err)
		return
	}
	a.settled = true
}

const nodeTimeoutSetting = "cluster-node-timeout"

func (a *Agent) setNodeTimeout(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(a.opts.ConfigDir, confFile))
	if err != nil {
		return err
	}
	wanted := configuredNodeTimeout(string(text))
	var short []string
	for _, a := range []arrival{forms, joins} {
		if at := nodeTimeout(string(text), a); at < wanted {
			short = append(short, strconv.Itoa(at))
		}
	}
	if len(short) == 0 {
		return nil
	}
	ep, err := a.endpoint()
	if err != nil {
		return err
	}
	live, err := a.clients.ConfigGet(ctx, ep, nodeTimeoutSetting)
	if err != nil || !slices.Contains(short, live[nodeTimeoutSetting]) {
		return err
	}
	value := strconv.Itoa(wanted)
	if err := a.clients.ConfigSet(ctx, ep, []redis.Setting{{Name: nodeTimeoutSetting, Value: value}}); err != nil {
		return err
	}
	glog.Infof("%s: the node has its place: %s %s", &a.opts, nodeTimeoutSetting, value)
	return nil
}
