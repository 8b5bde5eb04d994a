package redisnode

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/redis"
)

const restoreBound = 5 * time.Second

// owed is a node-timeout that redis is to have again, and the short one that it was given in its place for a moment, in
// milliseconds; zero when it has its own.
type owed struct{ Short, Own string }

// owedPath is beside the socket, and not on the volume: it is about this start of redis. An agent that is killed while
// the short one holds leaves it to the next, which may be the only one there is: the operator may be away, or paused.
func owedPath(runDir string) string { return filepath.Join(runDir, "node-timeout.owed") }

// readOwed is what a former agent has left.
func readOwed(runDir string) owed {
	var o owed
	text, err := os.ReadFile(owedPath(runDir))
	if err == nil {
		_, err = fmt.Sscan(string(text), &o.Short, &o.Own)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		glog.Warningf("%s: %v: the operator compares what redis runs with", owedPath(runDir), err)
		return owed{}
	}
	return o
}

// shorten gives redis a short node-timeout for a moment. What it owes redis then is written down before.
func (a *Agent) shorten(ctx context.Context, ep redis.Endpoint, o owed) error {
	if err := writeFile(owedPath(a.opts.RunDir), []byte(o.Short+" "+o.Own+"\n"), 0o600); err != nil {
		return err
	}
	a.owed = o
	return a.clients.ConfigSet(ctx, ep, []redis.Setting{{Name: nodeTimeoutSetting, Value: o.Short}})
}

// restoreTimeout gives redis the node-timeout that it had, unless somebody has given it another since, or it has been
// started again.
func (a *Agent) restoreTimeout(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreBound)
	defer cancel()
	ep, err := a.endpoint()
	if err != nil {
		return err
	}
	live, err := a.clients.ConfigGet(ctx, ep, nodeTimeoutSetting)
	if err == nil && live[nodeTimeoutSetting] == a.owed.Short {
		err = a.clients.ConfigSet(ctx, ep, []redis.Setting{{Name: nodeTimeoutSetting, Value: a.owed.Own}})
	}
	if err == nil {
		err = os.Remove(owedPath(a.opts.RunDir))
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		a.owed = owed{}
		return nil
	}
	return err
}
