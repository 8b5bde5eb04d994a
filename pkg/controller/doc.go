// Package controller is the loop: a key comes out of the queue, the cluster is observed, the rules in
// pkg/cluster/plan decide, one step is carried out, and the status says what was seen and why.
//
// It must not decide: everything it does beyond keeping a cluster's objects as pkg/objects renders them
// is a step of pkg/cluster/plan, and act.go is the only place where a step becomes an effect.
package controller
