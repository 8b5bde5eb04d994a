package charts_test

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	psa "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

const (
	crdFile = operatorChart + "/files/crds/redisoperator.io_redisclusters.yaml"
	crdName = "redisclusters.redisoperator.io"
)

// The grants of the operator in the namespaces of its RedisClusters. A change of this list is a
// change of what a stolen token of the operator can do: think twice.
var inNamespaces = []string{
	"/configmaps: create get list patch watch",
	"/events: create patch",
	"/persistentvolumeclaims: create delete get list patch watch",
	"/pods/resize: patch",
	"/pods: create delete get list patch watch",
	"/secrets: create get update",
	"/serviceaccounts: create get list patch watch",
	"/services: create get list patch watch",
	"apps/controllerrevisions: create delete list patch watch",
	"policy/poddisruptionbudgets: create delete get list patch watch",
	"redisoperator.io/redisclusters/finalizers: update",
	"redisoperator.io/redisclusters/status: patch update",
	"redisoperator.io/redisclusters: get list watch",
}

var (
	inCluster  = []string{"/nodes: get list watch"}
	asLeader   = []string{"coordination.k8s.io/leases/redis-operator: get update", "coordination.k8s.io/leases: create"}
	forViewers = []string{"redisoperator.io/redisclusters/scale: get", "redisoperator.io/redisclusters/status: get", "redisoperator.io/redisclusters: get list watch"}
	forEditors = []string{"redisoperator.io/redisclusters/scale: patch update", "redisoperator.io/redisclusters: create delete deletecollection patch update"}
)

// grants is rules as sorted lines "group/resource: verbs", or "group/resource/name: verbs".
func grants(rules []rbacv1.PolicyRule) []string {
	var lines []string
	for _, r := range rules {
		for _, g := range r.APIGroups {
			for _, resource := range r.Resources {
				if len(r.ResourceNames) > 0 {
					resource += "/" + strings.Join(r.ResourceNames, ",")
				}
				lines = append(lines, fmt.Sprintf("%s/%s: %s", g, resource, strings.Join(slices.Sorted(slices.Values(r.Verbs)), " ")))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// allGrants is the grants of every Role and ClusterRole, by namespace and name.
func allGrants(t *testing.T, objects []*unstructured.Unstructured) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, o := range objects {
		switch o.GetKind() {
		case "Role":
			all[o.GetNamespace()+"/"+o.GetName()] = grants(as[rbacv1.Role](t, o).Rules)
		case "ClusterRole":
			all[o.GetName()] = grants(as[rbacv1.ClusterRole](t, o).Rules)
		}
	}
	return all
}

func TestGrants(t *testing.T) {
	t.Parallel()
	both := slices.Sorted(slices.Values(slices.Concat(inCluster, inNamespaces)))
	for name, c := range map[string]struct {
		set  string
		want map[string][]string
	}{
		"all namespaces": {"", map[string][]string{
			"ns1-demo-redis-operator":        both,
			"ns1/demo-redis-operator-leader": asLeader,
			"ns1-demo-redis-operator-view":   forViewers,
			"ns1-demo-redis-operator-edit":   forEditors,
		}},
		"two namespaces": {"watchNamespaces={a,b}", map[string][]string{
			"ns1-demo-redis-operator":        inCluster,
			"a/ns1-demo-redis-operator":      inNamespaces,
			"b/ns1-demo-redis-operator":      inNamespaces,
			"ns1/demo-redis-operator-leader": asLeader,
			"ns1-demo-redis-operator-view":   forViewers,
			"ns1-demo-redis-operator-edit":   forEditors,
		}},
		"nothing for people": {"rbac.aggregateToDefaultRoles=false", map[string][]string{
			"ns1-demo-redis-operator":        both,
			"ns1/demo-redis-operator-leader": asLeader,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := allGrants(t, render(t, operatorChart, "--set", c.set))
			for role, lines := range got {
				if strings.Contains(strings.Join(lines, " "), "*") {
					t.Errorf("%s has a wildcard: %q", role, lines)
				}
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestRolesAreBoundToTheOperatorOnly(t *testing.T) {
	t.Parallel()
	subject := []rbacv1.Subject{{Kind: "ServiceAccount", Name: "demo-redis-operator", Namespace: "ns1"}}
	var got []string
	for _, o := range render(t, operatorChart, "--set", "watchNamespaces={a}") {
		if !strings.HasSuffix(o.GetKind(), "RoleBinding") {
			continue
		}
		b := as[rbacv1.RoleBinding](t, o)
		if !reflect.DeepEqual(b.Subjects, subject) {
			t.Errorf("%s %s is for %v, want %v", o.GetKind(), b.Name, b.Subjects, subject)
		}
		got = append(got, b.Namespace+": "+b.RoleRef.Kind+" "+b.RoleRef.Name)
	}
	slices.Sort(got)
	want := []string{": ClusterRole ns1-demo-redis-operator", "a: Role ns1-demo-redis-operator", "ns1: Role demo-redis-operator-leader"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOperatorPodIsRestricted(t *testing.T) {
	t.Parallel()
	d := as[appsv1.Deployment](t, only(t, render(t, operatorChart), "Deployment", "demo-redis-operator"))
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := psa.LevelVersion{Level: psa.LevelRestricted, Version: psa.LatestVersion()}
	for _, r := range evaluator.EvaluatePod(level, &d.Spec.Template.ObjectMeta, &d.Spec.Template.Spec) {
		if !r.Allowed {
			t.Errorf("%s: %s", r.ForbiddenReason, r.ForbiddenDetail)
		}
	}
	if c := d.Spec.Template.Spec.Containers[0].SecurityContext; c.ReadOnlyRootFilesystem == nil || !*c.ReadOnlyRootFilesystem {
		t.Error("the root file system is writable")
	}
}

func TestOperatorArguments(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set  []string
		args []string
	}{
		"by default": {nil, []string{
			"--redisnode-image=ghcr.io/redisoperator/redisnode:0.1.0", "--redisnode-pull-policy=IfNotPresent",
			"--workers=4", "--leader-elect", "--http-address=:8080", "--logtostderr", "--v=2",
		}},
		"all set": {
			[]string{
				"redisnode.image.repository=r/n", "redisnode.image.tag=t", "redisnode.image.pullPolicy=Never",
				"watchNamespaces={a,b}", "workers=7", "log.level=4", "extraArgs={--x=y}",
			},
			[]string{
				"--redisnode-image=r/n:t", "--redisnode-pull-policy=Never", "--namespace=a,b",
				"--workers=7", "--leader-elect", "--http-address=:8080", "--logtostderr", "--v=4", "--x=y",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var args []string
			for _, s := range c.set {
				args = append(args, "--set", s)
			}
			d := as[appsv1.Deployment](t, only(t, render(t, operatorChart, args...), "Deployment", ""))
			if got := d.Spec.Template.Spec.Containers[0].Args; !slices.Equal(got, c.args) {
				t.Errorf("got  %q\nwant %q", got, c.args)
			}
		})
	}
}

// The selector of a Deployment cannot be changed, and that of the Service and the budget must be the same.
func TestSelectors(t *testing.T) {
	t.Parallel()
	objects := render(t, operatorChart, "--set", "podLabels.team=x,image.tag=v2")
	want := map[string]string{"app.kubernetes.io/name": "redis-operator", "app.kubernetes.io/instance": "demo"}
	d := as[appsv1.Deployment](t, only(t, objects, "Deployment", ""))
	s := as[corev1.Service](t, only(t, objects, "Service", "demo-redis-operator-metrics"))
	b := as[policyv1.PodDisruptionBudget](t, only(t, objects, "PodDisruptionBudget", ""))
	for name, got := range map[string]map[string]string{
		"Deployment": d.Spec.Selector.MatchLabels, "Service": s.Spec.Selector, "PodDisruptionBudget": b.Spec.Selector.MatchLabels,
	} {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s selects %v, want %v", name, got, want)
		}
	}
	for k, v := range want {
		if d.Spec.Template.Labels[k] != v {
			t.Errorf("the pod has no label %s=%s: %v", k, v, d.Spec.Template.Labels)
		}
	}
}

func TestCRDIsTheGeneratedOne(t *testing.T) {
	t.Parallel()
	for set, keep := range map[string]string{"crds.keep=true": "keep", "crds.keep=false": ""} {
		text, err := os.ReadFile(crdFile)
		if err != nil {
			t.Fatal(err)
		}
		generated := map[string]any{}
		if err := yaml.Unmarshal(text, &generated); err != nil {
			t.Fatal(err)
		}
		crd := only(t, render(t, operatorChart, "--set", set), "CustomResourceDefinition", crdName)
		annotations := crd.GetAnnotations()
		if annotations["helm.sh/resource-policy"] != keep {
			t.Errorf("%s: annotations %v", set, annotations)
		}
		if crd.GetLabels()["app.kubernetes.io/instance"] != "demo" {
			t.Errorf("%s: labels %v", set, crd.GetLabels())
		}
		delete(annotations, "helm.sh/resource-policy")
		crd.SetAnnotations(annotations)
		crd.SetLabels(nil)
		if !reflect.DeepEqual(crd.Object, generated) {
			t.Errorf("%s: the chart's definition is not that of %s", set, crdFile)
		}
	}
}

func TestCRDCanBeLeftOut(t *testing.T) {
	t.Parallel()
	for _, o := range render(t, operatorChart, "--set", "crds.install=false") {
		if o.GetKind() == "CustomResourceDefinition" {
			t.Errorf("%s is there", o.GetName())
		}
	}
}
