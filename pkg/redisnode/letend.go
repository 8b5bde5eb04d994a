package redisnode

import (
	"context"
	"slices"
	"strings"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

const (
	sigtermSetting = "shutdown-on-sigterm"
	sigtermForce   = "force"
	sigtermDefault = "default" // no word at all
)

// letEnd sees to it that redis ends at SIGTERM. While it writes its first append-only file, which it does after each
// full sync, it passes over the signal ("Writing initial AOF, can't exit", server.c), as it does when it cannot save;
// the kubelet sends it once, and kills it when the grace period is over. What a replica in sync has not saved is at its
// primary: it ends whatever it is at. One that is not in sync, or is a primary, may have what nobody else has: the file
// is waited for until the context ends.
func (a *Agent) letEnd(ctx context.Context) error {
	look := a.node.fresh(ctx, statusAge)
	if look.info == nil {
		return nil
	}
	if look.info.Self().Role != cluster.Replica || !look.info.LinkUp {
		return a.awaitFirstFile(ctx)
	}
	ep, err := a.endpoint()
	if err != nil {
		return err
	}
	live, err := a.clients.ConfigGet(ctx, ep, sigtermSetting)
	if err != nil {
		return err
	}
	words := slices.DeleteFunc(strings.Fields(live[sigtermSetting]), func(w string) bool { return w == sigtermDefault })
	if slices.Contains(words, sigtermForce) {
		return nil
	}
	value := strings.Join(append(words, sigtermForce), " ")
	return a.clients.ConfigSet(ctx, ep, []redis.Setting{{Name: sigtermSetting, Value: value}})
}
