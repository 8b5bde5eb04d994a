package chaos

import (
	"context"
	"time"
)

// Kind is something that can break.
type Kind struct {
	Name string
	// Holds are how long it may stay broken, one of which is drawn; none: it is over at once.
	Holds []time.Duration
	// Bound is how long after it was mended the cluster may take to be whole again, with two cores that do other work.
	Bound time.Duration
	// Costs is how much of what one writer had acknowledged may be lost, when that writer does not wait for a replica.
	Costs time.Duration
	// Alone says that a copy is destroyed by it: another fault at the same time may take the other copy.
	Alone bool
	// Parts says that a copy gets nothing while it lasts.
	Parts bool
	// Volumes says that it is only for clusters with volumes: all copies go at once.
	Volumes bool

	inject func(context.Context, *World, Draw) (mend, error)
}

// mend takes back what was broken. It may be nil.
type mend func(context.Context) error

const (
	// lag is more than replication is ever behind on a loaded machine.
	lag = time.Second
	// nodeTimeout is the default of clusters: a primary that is cut off takes writes for so long.
	nodeTimeout = 15 * time.Second

	soon     = 60 * time.Second
	patience = 2 * time.Minute
)

func seconds(n ...int) []time.Duration {
	var all []time.Duration
	for _, s := range n {
		all = append(all, time.Duration(s)*time.Second)
	}
	return all
}

// Kinds are all that can be drawn. Their order is part of what a seed means.
func Kinds() []Kind {
	return []Kind{
		{Name: "kill-redis", Bound: soon, Costs: lag, inject: killContainers("redis")},
		{Name: "kill-redisnode", Bound: soon, inject: killContainers("redisnode")},
		{Name: "kill-both", Bound: patience, Costs: lag, inject: killContainers("redis", "redisnode")},
		{Name: "kill-operator", Bound: soon, inject: killOperator},
		{Name: "delete-pod", Bound: patience, Alone: true, inject: deletePod},
		{Name: "delete-pod-by-force", Bound: patience, Costs: lag, Alone: true, inject: deletePodByForce},
		{Name: "delete-all-pods", Bound: patience, Costs: lag, Volumes: true, inject: deleteAllPods},
		{Name: "delete-pod-and-claim", Bound: patience, Alone: true, Volumes: true, inject: deletePodAndClaim},
		{Name: "power-off", Holds: seconds(10, 25, 40), Bound: patience, Costs: lag, Alone: true, inject: onNode("off", "on")},
		{Name: "cut-from-control-plane", Holds: seconds(5, 20), Bound: patience, Costs: lag, Alone: true, inject: onNode("isolate", "join")},
		{Name: "cut-from-peers", Holds: seconds(5, 20, 40), Bound: patience, Costs: nodeTimeout + 2*lag, Alone: true, inject: cutFromPeers},
		{Name: "cut-between-two", Holds: seconds(5, 20, 40), Bound: patience, Costs: lag, Parts: true, inject: cutBetweenTwo},
		{Name: "disk-full", Holds: seconds(10, 20), Bound: patience, Costs: lag, Volumes: true, inject: onNode("fill", "unfill")},
		{Name: "stop-redis", Holds: seconds(5, 20, 60), Bound: patience, Costs: lag, inject: stopRedis},
		{Name: "drain", Holds: seconds(5, 15), Bound: patience, Costs: lag, Alone: true, inject: drain},
		{Name: "api-server-off", Holds: seconds(10, 25), Bound: patience, inject: stopAPIServer},
		{Name: "api-server-off-and-kill-redis", Holds: seconds(10, 25), Bound: patience, Costs: lag, inject: stopAPIServerAndKill},
		{Name: "foreign-redis-on-old-address", Holds: seconds(10, 20), Bound: patience, Alone: true, inject: squat},
	}
}

// drainToTheEnd is for clusters without volumes, whose pods can go anywhere. It is not drawn: drain is.
func drainToTheEnd() Kind {
	return Kind{Name: "drain-to-the-end", Bound: patience, Alone: true, inject: drainAndInsist}
}

// kind is the kind with a name.
func kind(name string) (Kind, bool) {
	for _, k := range append(Kinds(), drainToTheEnd()) {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}
