// Package redis is every effect on Redis: observing nodes and sending commands. It is the only
// importer of radix.
//
// Every call names one Endpoint (ObserveAll names many), is bounded by its context and by
// Dialer.CommandTimeout, and ends in at most one error that says the operation and the address and matches
// a sentinel of errors.go. A call that could do harm looks at the live node first and refuses with a typed
// error. Every call may be repeated.
//
// It obeys. It must not know Kubernetes or plan steps, must not decide, must not wait for a cluster to
// change, and must never put a password into an error or a log.
package redis
