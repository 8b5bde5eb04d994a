// Package witness is a second opinion on a Redis cluster: an observer that asks every node ten times a second what it
// believes and holds that against what must always be true (FAULTS.md, I1 to I8), writers that know what was acknowledged
// to them, and a client that follows redirects. It must import nothing of pkg/, so that a mistake of the operator's is
// not made twice: it reads CLUSTER NODES by itself. depguard sees to that.
package witness
