// Package clustertest is a model of a Redis Cluster on Kubernetes, for tests: pods that take their time, nodes that
// gossip, vote, forget and lose their address, and the steps of a plan carried out on them. It is deterministic:
// one seed, one history.
//
// It keeps the rules of the real things where they can hurt (who wins a slot, what REPLICATE and FORGET
// refuse, how long a ban lasts) and none of their detail. It must not decide anything: the planner does.
package clustertest
