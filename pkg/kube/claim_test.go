package kube

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

const claims = "PersistentVolumeClaim"

// bound is a claim with a volume.
func bound(edits ...func(*corev1.PersistentVolumeClaim)) *corev1.PersistentVolumeClaim {
	c := claim("fast")
	c.UID, c.ResourceVersion = "uid-of-data-demo-0", "7"
	c.OwnerReferences = nil
	c.Spec.VolumeName, c.Status.Phase = "pv-1", corev1.ClaimBound
	for _, edit := range edits {
		edit(c)
	}
	return c
}

func formers(c *corev1.PersistentVolumeClaim) { c.Labels[redisv1.LabelClusterUID] = "former" }

func grow(t *testing.T, client *fake.Clientset, size string) error {
	t.Helper()
	live := fresh[*corev1.PersistentVolumeClaim](t, client, claims, "data-demo-0")
	return NewObjectControl(client).Grow(t.Context(), demo(), live, resource.MustParse(size))
}

// A claim that is to grow asks for more, once, and keeps everything else; none ever asks for less.
func TestGrow(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		claim    *corev1.PersistentVolumeClaim
		to       string
		has      string
		requests string
	}{
		"a larger size":   {bound(), "2Gi", "2Gi", "get persistentvolumeclaims, patch persistentvolumeclaims"},
		"the same":        {bound(), "1024Mi", "1Gi", "get persistentvolumeclaims"},
		"a smaller one":   {bound(), "1Mi", "1Gi", "get persistentvolumeclaims"},
		"somebody else's": {bound(formers), "2Gi", "1Gi", "get persistentvolumeclaims"},
		"one without a volume": {
			bound(func(c *corev1.PersistentVolumeClaim) { c.Spec.VolumeName, c.Status.Phase = "", corev1.ClaimPending }),
			"2Gi", "1Gi", "get persistentvolumeclaims",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient(tc.claim)
			if err := grow(t, client, tc.to); err != nil {
				t.Fatal(err)
			}
			if got := requests(client); got != tc.requests {
				t.Errorf("requests %s, want %s", got, tc.requests)
			}
			live := fresh[*corev1.PersistentVolumeClaim](t, client, claims, "data-demo-0")
			if got := live.Spec.Resources.Requests.Storage(); got.Cmp(resource.MustParse(tc.has)) != 0 {
				t.Errorf("it asks for %s, want %s", got, tc.has)
			}
			if live.Spec.VolumeName != tc.claim.Spec.VolumeName || *live.Spec.StorageClassName != "fast" {
				t.Errorf("claim %+v", live.Spec)
			}
		})
	}
}

// What the API server refuses says which class it is and what to do; a conflict only means to look again.
func TestGrow_Refused(t *testing.T) {
	t.Parallel()
	client := newClient(bound())
	const why = "only dynamically provisioned pvc can be resized"
	fails(client, "patch", "persistentvolumeclaims",
		apierrors.NewForbidden(resources[claims].GroupResource(), "data-demo-0", errors.New(why)))
	err := grow(t, client, "2Gi")
	growth, ok := errors.AsType[*GrowthError](err)
	if !ok || growth.Class != "fast" {
		t.Fatalf("error %v", err)
	}
	for _, words := range []string{"data-demo-0", "StorageClass fast", "allowVolumeExpansion", "from 1Gi to 2Gi", why} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%q lacks %q", err, words)
		}
	}
	client = newClient(bound())
	fails(client, "patch", "persistentvolumeclaims",
		apierrors.NewConflict(resources[claims].GroupResource(), "data-demo-0", errors.New("changed")))
	if err := grow(t, client, "2Gi"); !errors.Is(err, ErrStale) {
		t.Errorf("error %v", err)
	}
}

// FAULTS 19: what a deleted cluster of the name has left is taken over when the spec says so, with its volume, and no
// other cluster's.
func TestEnsureAdoptsAClaim(t *testing.T) {
	t.Parallel()
	rc := demo()
	rc.Spec.Storage.Adopt = true
	wanted := claim("")
	wanted.OwnerReferences = nil
	client := newClient(bound(formers))
	for range 2 {
		if err := NewObjectControl(client).Ensure(t.Context(), rc, wanted, cache(client, claims)); err != nil {
			t.Fatal(err)
		}
	}
	live := fresh[*corev1.PersistentVolumeClaim](t, client, claims, "data-demo-0")
	if live.Labels[redisv1.LabelClusterUID] != string(ownUID) || live.Spec.VolumeName != "pv-1" {
		t.Errorf("claim %+v", live)
	}
	other := bound(formers, func(c *corev1.PersistentVolumeClaim) { c.Labels[redisv1.LabelCluster] = "other" })
	client = newClient(other)
	err := NewObjectControl(client).Ensure(t.Context(), rc, wanted, cache(client, claims))
	if !errors.Is(err, ErrVolumeConflict) || writes(client) != "" {
		t.Errorf("of another name: error %v", err)
	}
	for _, words := range []string{"data-demo-0", "UID former", "spec.storage.adopt"} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%q lacks %q", err, words)
		}
	}
}

// A claim goes after what uses it has gone, and only the one that was looked at; what the API server would not let go
// keeps what uses it from being deleted.
func TestDeleteClaim(t *testing.T) {
	t.Parallel()
	const looks, deletes = "get persistentvolumeclaims, delete persistentvolumeclaims", ", delete persistentvolumeclaims"
	forbidden := apierrors.NewForbidden(resources[claims].GroupResource(), "data-demo-0", errors.New("not yours"))
	broken := errors.New("the pod stays")
	for name, tc := range map[string]struct {
		live      *corev1.PersistentVolumeClaim
		refusal   error // of the API server
		first     error
		want      error
		wentFirst bool
		requests  string
	}{
		"it goes":                      {live: bound(), wentFirst: true, requests: looks + deletes},
		"what is first does not go":    {live: bound(), first: broken, want: broken, wentFirst: true, requests: looks},
		"it would not be let go":       {live: bound(), refusal: forbidden, want: forbidden, requests: looks},
		"another one is there by now":  {live: bound(func(c *corev1.PersistentVolumeClaim) { c.UID = "other" }), want: ErrStale, requests: "get persistentvolumeclaims"},
		"it is somebody else's by now": {live: bound(formers), want: ErrVolumeConflict, requests: "get persistentvolumeclaims"},
		"it is going":                  {live: bound(func(c *corev1.PersistentVolumeClaim) { c.DeletionTimestamp = &metav1.Time{} }), want: ErrStale, requests: "get persistentvolumeclaims"},
		"it is gone":                   {want: ErrStale, requests: "get persistentvolumeclaims"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient()
			if tc.live != nil {
				client = newClient(tc.live)
			}
			if tc.refusal != nil {
				fails(client, "delete", "persistentvolumeclaims", tc.refusal)
			}
			// The fake API deletes at once what is only tried: it has to be there again.
			rehearsed := false
			client.PrependReactor("delete", "persistentvolumeclaims", func(a clienttesting.Action) (bool, runtime.Object, error) {
				deletion, _ := a.(clienttesting.DeleteActionImpl)
				p := deletion.DeleteOptions.Preconditions
				if p == nil || *p.UID != "uid-of-data-demo-0" || *p.ResourceVersion != "7" {
					t.Errorf("it is deleted whatever it is: %+v", p)
				}
				tried := len(deletion.DeleteOptions.DryRun) == 1 && deletion.DeleteOptions.DryRun[0] == metav1.DryRunAll
				if tried == rehearsed {
					t.Errorf("tried first: %v", tried)
				}
				rehearsed = true
				return tried && tc.refusal == nil, nil, nil
			})
			wentFirst := false
			err := NewObjectControl(client).DeleteClaim(t.Context(), demo(), bound(), func() error {
				wentFirst = true
				return tc.first
			})
			if !errors.Is(err, tc.want) || wentFirst != tc.wentFirst {
				t.Errorf("error %v, want %v; first is asked: %v", err, tc.want, wentFirst)
			}
			if got := requests(client); got != tc.requests {
				t.Errorf("requests %s, want %s", got, tc.requests)
			}
		})
	}
}
