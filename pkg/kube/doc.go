// Package kube has the operator's effects on Kubernetes: pods, objects, Secrets, status and events.
//
// What it is given it writes, once, and only when it differs from what is there. It looks at the live object before
// it deletes or overwrites anything, and never touches what belongs to somebody else. It must not decide what a
// cluster needs (pkg/cluster/plan) nor what an object looks like (pkg/objects), and must not know Redis.
//
// Three kinds of refusal are told apart by errors.Is: ErrStale (the world has moved on: look again, nothing is wrong),
// ErrNameConflict and ErrVolumeConflict (somebody else's object is in the way: a person has to decide).
package kube
