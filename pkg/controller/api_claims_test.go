package controller

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// inUse says that a pod that has a node uses the claim.
func (a *apiServer) inUse(claim *corev1.PersistentVolumeClaim) bool {
	gvr := corev1.SchemeGroupVersion.WithResource("pods")
	list, err := a.tracker.List(gvr, corev1.SchemeGroupVersion.WithKind("Pod"), claim.Namespace)
	if err != nil {
		panic(err)
	}
	pods, ok := list.(*corev1.PodList)
	return ok && slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool {
		return p.Spec.NodeName != "" && claimIn(&p) == claim.Name
	})
}

// claimIn is the claim that a pod uses; "" when it uses none.
func claimIn(pod *corev1.Pod) string {
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			return v.PersistentVolumeClaim.ClaimName
		}
	}
	return ""
}

// release ends the claims that are to go and that no pod uses any more.
func (a *apiServer) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	gvr := corev1.SchemeGroupVersion.WithResource("persistentvolumeclaims")
	list, err := a.tracker.List(gvr, corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"), metav1.NamespaceAll)
	if err != nil {
		panic(err)
	}
	claims, _ := list.(*corev1.PersistentVolumeClaimList)
	for i := range claims.Items {
		if c := &claims.Items[i]; c.DeletionTimestamp != nil {
			if err := a.end(gvr, c); err != nil {
				panic(err)
			}
		}
	}
}
