// Package v1 is the redisoperator.io/v1 API: what a user writes to have a Redis
// Cluster, and what the operator answers.
//
// It holds types, names and condition reasons only. It must not decide anything
// and must not import anything of this project.
//
// +k8s:deepcopy-gen=package
// +k8s:openapi-gen=true
// +groupName=redisoperator.io
// +kubebuilder:object:generate=true
package v1
