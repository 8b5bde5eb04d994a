// Package redis is every effect on Redis: observing nodes and sending commands. It is the only
// importer of radix.
//
// It obeys. It must not know Kubernetes or plan steps, and must not decide.
package redis
