// Package agent is the HTTP API of the agent in every pod: its types, a server skeleton, a client, and
// the certificates by which agents and the operator prove to each other that they belong to one
// RedisCluster.
//
// It carries messages. It must not decide anything and must not speak to Redis or to Kubernetes.
package agent
