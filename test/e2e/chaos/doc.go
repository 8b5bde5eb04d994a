// Package chaos breaks a Redis cluster on a real Kubernetes, again and again, and says what that cost.
//
// How a run goes, a file each:
//
//	kinds.go       what can break, how long it stays broken, and in what time all must be whole again
//	deck.go        draws faults by a seed: the same seed draws the same faults
//	faults.go      breaks and mends
//	world.go       the cluster that suffers, the writers on it, the observer, and who is hit by a fault
//	suffer.go      one fault: break, hold, mend, wait until all is whole, count what was lost and look what is astray
//	invariants.go  what is checked whenever all is whole: stray keys, secrets; and when all is over: lost writes, writes of
//	               an idle operator
//	audit.go       who wrote what to Kubernetes, from the API server's own log
//	report.go      what is said of all that
//
// What must always hold is checked meanwhile, ten times a second, by package witness, which shares no code with the
// operator. Faults are made by test/lab: its nodes are network namespaces and cgroups of this machine.
package chaos
