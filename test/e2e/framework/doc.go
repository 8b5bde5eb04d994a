// Package framework is what the end-to-end tests share: clients of a real Kubernetes, helm, kubectl exec,
// and a client of Redis that shares no code with the operator, so that what it finds is a second opinion.
package framework
