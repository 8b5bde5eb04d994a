package kube

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// annotationApplied is the hash of an object as it was last applied. What the operator no longer wants in it, such as
// a label, cannot be told from what somebody else added, but makes another hash.
const annotationApplied = "redisoperator.io/applied-hash"

// stamped is a copy of the wanted object with its hash.
func stamped(wanted Object) (Object, error) {
	text, err := json.Marshal(wanted)
	if err != nil {
		return nil, fmt.Errorf("hash %T %s: %w", wanted, wanted.GetName(), err)
	}
	sum := sha256.Sum256(text)
	obj, ok := wanted.DeepCopyObject().(Object)
	if !ok {
		return nil, fmt.Errorf("hash %T: not an object", wanted)
	}
	annotations := maps.Clone(obj.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[annotationApplied] = hex.EncodeToString(sum[:8])
	obj.SetAnnotations(annotations)
	return obj, nil
}

// upToDate says whether the current object has everything that is wanted, and nothing that the operator applied before
// and wants no more. What others added does not count, or two would change it back and forth for ever.
func upToDate(wanted, current Object) bool {
	return contains(current.GetAnnotations(), wanted.GetAnnotations()) &&
		contains(current.GetLabels(), wanted.GetLabels()) &&
		ownersEqual(wanted, current) &&
		contentEqual(wanted, current)
}

// contentEqual compares what the operator sets. Selectors are compared whole: one more label in them selects nothing.
func contentEqual(wanted, current Object) bool {
	switch w := wanted.(type) {
	case *corev1.Service:
		c, ok := current.(*corev1.Service)
		return ok && maps.Equal(w.Spec.Selector, c.Spec.Selector) && serviceEqual(w.Spec, c.Spec)
	case *corev1.ConfigMap:
		c, ok := current.(*corev1.ConfigMap)
		return ok && contains(c.Data, w.Data)
	case *corev1.ServiceAccount:
		c, ok := current.(*corev1.ServiceAccount)
		return ok && equality.Semantic.DeepEqual(w.AutomountServiceAccountToken, c.AutomountServiceAccountToken)
	case *policyv1.PodDisruptionBudget:
		c, ok := current.(*policyv1.PodDisruptionBudget)
		return ok && equality.Semantic.DeepEqual(w.Spec.Selector, c.Spec.Selector) &&
			equality.Semantic.DeepDerivative(w.Spec, c.Spec)
	case *corev1.PersistentVolumeClaim:
		// Its spec cannot be changed; the hash says whether it was made as it is wanted.
		_, ok := current.(*corev1.PersistentVolumeClaim)
		return ok
	}
	return false
}

func serviceEqual(wanted, current corev1.ServiceSpec) bool {
	for _, port := range wanted.Ports {
		if !slices.ContainsFunc(current.Ports, func(p corev1.ServicePort) bool {
			return equality.Semantic.DeepDerivative(port, p)
		}) {
			return false
		}
	}
	return wanted.Type == current.Type && wanted.ClusterIP == current.ClusterIP &&
		wanted.PublishNotReadyAddresses == current.PublishNotReadyAddresses
}

// ownersEqual says whether the current object has the owners that are wanted. More of them are somebody else's wish.
func ownersEqual(wanted, current metav1.Object) bool {
	for _, owner := range wanted.GetOwnerReferences() {
		if !slices.ContainsFunc(current.GetOwnerReferences(), func(o metav1.OwnerReference) bool {
			return equality.Semantic.DeepEqual(owner, o)
		}) {
			return false
		}
	}
	return true
}

// contains says whether a map has all entries of another.
func contains(all, some map[string]string) bool {
	for key, value := range some {
		if v, ok := all[key]; !ok || v != value {
			return false
		}
	}
	return true
}
