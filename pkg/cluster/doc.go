// Package cluster has the words of a Redis Cluster as values: slots, nodes, members, views, and where
// replicas belong.
//
// It is pure. It must not know Kubernetes or a Redis client, must not log, and must not read a clock.
package cluster
