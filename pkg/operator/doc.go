// Package operator assembles the process: options, clients, informers, leader election, and the server
// for health and metrics.
//
// It wires; it must not decide anything about a cluster.
package operator
