// Package charts tests the Helm charts: what they render, and what they refuse.
//
// It needs the helm binary, on the PATH or where the Makefile puts it, and no Kubernetes.
package charts
