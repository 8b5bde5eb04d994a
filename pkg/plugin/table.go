package plugin

import (
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/yaml"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// The words of the columns OPS STATUS and REDIS STATUS that are not reasons of the operator's.
const (
	opsPending   = "Pending"  // the operator has not answered this spec yet
	opsDeleting  = "Deleting" // it goes, with all that it owns
	redisOK      = "OK"
	redisKO      = "KO"
	redisUnknown = "Unknown"
)

// View is a RedisCluster in the words of a table.
type View struct {
	Namespace, Name            string
	Pods, Masters, Replication string
	OpsStatus, RedisStatus     string
	Placement, Slots, Message  string
	Created                    time.Time
}

// NewView reads a RedisCluster, whose spec has its defaults.
func NewView(rc *redisv1.RedisCluster) *View {
	s := &rc.Status
	v := &View{
		Namespace:   rc.Namespace,
		Name:        rc.Name,
		Pods:        fmt.Sprintf("%d/%d/%d", s.PodsReady, s.Pods, rc.WantedPods()),
		Masters:     fmt.Sprintf("%d/%d", s.NumberOfMaster, *rc.Spec.NumberOfMaster),
		Replication: fmt.Sprintf("%d-%d/%d", s.MinReplicationFactor, s.MaxReplicationFactor, *rc.Spec.ReplicationFactor),
		OpsStatus:   opsPending,
		RedisStatus: redisUnknown,
		Placement:   orDash(string(s.NodesPlacement)),
		Slots:       fmt.Sprintf("%d/%d", s.SlotsAssigned, cluster.SlotCount),
		Created:     rc.CreationTimestamp.Time,
	}
	if p := meta.FindStatusCondition(s.Conditions, redisv1.ConditionProgressing); p != nil && !outdated(rc) {
		v.OpsStatus, v.Message = p.Reason, oneLine(p.Message)
		if m := progressOf(s.Migration); m.total > 0 {
			v.OpsStatus += " " + m.percent()
		}
	}
	if rc.DeletionTimestamp != nil {
		v.OpsStatus = opsDeleting
	}
	if r := meta.FindStatusCondition(s.Conditions, redisv1.ConditionReady); r != nil {
		switch r.Status {
		case metav1.ConditionTrue:
			v.RedisStatus = redisOK
		case metav1.ConditionFalse:
			v.RedisStatus = redisKO
		case metav1.ConditionUnknown:
		}
	}
	return v
}

// outdated is true while the status answers an older spec, or none.
func outdated(rc *redisv1.RedisCluster) bool {
	return rc.Status.ObservedGeneration < rc.Generation
}

// Table is one line for each view, under titles.
func Table(views []*View, output Output, now time.Time) string {
	g := &grid{columns: []column{
		{"NAME", left},
		{"NAMESPACE", left},
		{"PODS", left},
		{"OPS STATUS", left},
		{"REDIS STATUS", left},
		{"MASTERS", left},
		{"REPLICATION", left},
	}}
	if output == OutputWide {
		g.columns = append(g.columns,
			column{"PLACEMENT", left}, column{"SLOTS", right}, column{"AGE", right}, column{"MESSAGE", left})
	}
	for _, v := range views {
		cells := []string{v.Name, v.Namespace, v.Pods, v.OpsStatus, v.RedisStatus, v.Masters, v.Replication}
		if output == OutputWide {
			cells = append(cells, v.Placement, v.Slots, age(v.Created, now), v.Message)
		}
		g.add(cells...)
	}
	return g.String()
}

func age(since, now time.Time) string {
	if since.IsZero() {
		return "-"
	}
	return duration.HumanDuration(now.Sub(since))
}

// ListText is a list in the form that was asked for; "" for a table of nothing.
func ListText(list *redisv1.RedisClusterList, output Output, now time.Time) (string, error) {
	if output == OutputJSON || output == OutputYAML {
		return encode(list, output)
	}
	if len(list.Items) == 0 {
		return "", nil
	}
	var views []*View
	for i := range list.Items {
		views = append(views, NewView(&list.Items[i]))
	}
	return Table(views, output, now), nil
}

// encode is an object as kubectl would print it: with its kind, without the record of who wrote what.
func encode(object runtime.Object, output Output) (string, error) {
	switch o := object.(type) {
	case *redisv1.RedisClusterList:
		o.SetGroupVersionKind(redisv1.SchemeGroupVersion.WithKind("RedisClusterList"))
		for i := range o.Items {
			dress(&o.Items[i])
		}
		if o.Items == nil {
			o.Items = []redisv1.RedisCluster{}
		}
	case *redisv1.RedisCluster:
		dress(o)
	}
	text, err := json.MarshalIndent(object, "", "    ")
	if err == nil && output == OutputYAML {
		text, err = yaml.JSONToYAML(text)
	}
	if err != nil {
		return "", fmt.Errorf("encode as %s: %w", output, err)
	}
	if output == OutputJSON {
		text = append(text, '\n')
	}
	return string(text), nil
}

func dress(rc *redisv1.RedisCluster) {
	rc.SetGroupVersionKind(redisv1.SchemeGroupVersion.WithKind("RedisCluster"))
	rc.ManagedFields = nil
}
