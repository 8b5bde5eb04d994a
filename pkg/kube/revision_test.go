package kube

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func revision(name string, number int64, edits ...func(*metav1.ObjectMeta)) *appsv1.ControllerRevision {
	return &appsv1.ControllerRevision{ObjectMeta: objectMeta(name, edits...), Revision: number}
}

func TestRevisionControlKeep(t *testing.T) {
	t.Parallel()
	own := ownedBy(ownUID)
	for name, tc := range map[string]struct {
		there  []*appsv1.ControllerRevision
		wanted string
		writes string
		number int64 // of the wanted one, afterwards
	}{
		"the first is made":           {nil, "demo-a", "create controllerrevisions", 1},
		"another gets the next":       {[]*appsv1.ControllerRevision{revision("demo-a", 4, own)}, "demo-b", "create controllerrevisions", 5},
		"nothing new writes nothing":  {[]*appsv1.ControllerRevision{revision("demo-a", 4, own)}, "demo-a", "", 4},
		"who goes back is the newest": {[]*appsv1.ControllerRevision{revision("demo-b", 5, own), revision("demo-a", 4, own)}, "demo-a", "patch controllerrevisions", 6},
		"the oldest of too many goes": {
			[]*appsv1.ControllerRevision{revision("demo-c", 6, own), revision("demo-a", 4, own), revision("demo-b", 5, own), revision("demo-d", 7, own)},
			"demo-d", "delete controllerrevisions", 7,
		},
		"those of others do not count": {[]*appsv1.ControllerRevision{revision("demo-b", 9, ownedByStatefulSet)}, "demo-a", "create controllerrevisions", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var objects []runtime.Object
			for _, r := range tc.there {
				objects = append(objects, r)
			}
			client := newClient(objects...)
			c := NewRevisionControl(client)
			if err := c.Keep(t.Context(), demo(), revision(tc.wanted, 0, own), tc.there, 3); err != nil {
				t.Fatal(err)
			}
			if got := writes(client); got != tc.writes {
				t.Errorf("requests: %s", got)
			}
			list, err := client.AppsV1().ControllerRevisions("shop").List(t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			found := map[string]int64{}
			for i := range list.Items {
				found[list.Items[i].Name] = list.Items[i].Revision
			}
			if found[tc.wanted] != tc.number {
				t.Errorf("revisions %v", found)
			}
			if _, there := found["demo-a"]; name == "the oldest of too many goes" && there {
				t.Errorf("the oldest is there: %s", fmt.Sprint(found))
			}
		})
	}
}
