// Package redisnode is the agent in every pod: it writes the configuration of its redis-server, lets it
// start when that is safe, joins it to the cluster, answers probes, and hands its role over before it stops.
//
// It guards one process. It must not decide anything about the cluster: who owns which slots and who
// follows whom is the operator's. It must not use the Kubernetes API.
//
// The gate (gate.go) is the heart: redis-server starts only after its configuration is written, the
// addresses in nodes.conf are repaired, and a copy of its data that is better than its own has been put
// in charge.
package redisnode
