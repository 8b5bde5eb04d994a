// Package objects turns a RedisCluster into the Kubernetes objects that it consists of: pods, volume claims, the
// Service, the ConfigMap with redis.conf, the PodDisruptionBudget, the ServiceAccount, and the Secrets.
//
// It is pure: the same RedisCluster gives the same objects, byte for byte. It must not speak to the API server, must
// not log, must not read a clock and must not draw random numbers: passwords and certificates come from the caller.
// docs/architecture.md is the contract that it shares with the agent in the pod.
package objects
