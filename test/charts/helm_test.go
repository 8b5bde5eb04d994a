package charts_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const (
	operatorChart = "../../charts/redis-operator"
	clusterChart  = "../../charts/redis-cluster"
)

// helm runs helm and returns what it prints.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), helmBinary(t), args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", errors.New(strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

func helmBinary(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("helm"); err == nil {
		return path
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(home, ".cache/redis-operator-tools/bin/helm")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("helm is neither on the PATH nor at %s: make tools builds it", path)
	}
	return path
}

// render returns the objects that a chart makes.
func render(t *testing.T, chart string, args ...string) []*unstructured.Unstructured {
	t.Helper()
	out, err := helm(t, template(chart, args...)...)
	if err != nil {
		t.Fatalf("helm template %s %v: %v", chart, args, err)
	}
	var objects []*unstructured.Unstructured
	for text := range strings.SplitSeq("\n"+out, "\n---\n") {
		object := map[string]any{}
		if err := yaml.UnmarshalStrict([]byte(text), &object); err != nil {
			t.Fatalf("%v in:\n%s", err, text)
		}
		if len(object) > 0 {
			objects = append(objects, &unstructured.Unstructured{Object: object})
		}
	}
	return objects
}

// template is the arguments of helm template. The version is that of the Kubernetes in the lab; the
// namespace is not one that a template could have by accident.
func template(chart string, args ...string) []string {
	return append([]string{"template", "demo", chart, "--namespace", "ns1", "--kube-version", "1.36.0"}, args...)
}

// only returns the one object of a kind and name; "" is any name.
func only(t *testing.T, objects []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	t.Helper()
	var found *unstructured.Unstructured
	for _, o := range objects {
		if o.GetKind() == kind && (name == "" || o.GetName() == name) {
			if found != nil {
				t.Fatalf("more than one %s %s", kind, name)
			}
			found = o
		}
	}
	if found == nil {
		t.Fatalf("no %s %s", kind, name)
	}
	return found
}

// as reads an object into its type; a field that the type does not have is an error.
func as[T any](t *testing.T, o *unstructured.Unstructured) *T {
	t.Helper()
	text, err := yaml.Marshal(o.Object)
	if err != nil {
		t.Fatal(err)
	}
	typed := new(T)
	if err := yaml.UnmarshalStrict(text, typed); err != nil {
		t.Fatalf("%s %s: %v", o.GetKind(), o.GetName(), err)
	}
	return typed
}

func TestLint(t *testing.T) {
	t.Parallel()
	if _, err := helm(t, "lint", "--strict", operatorChart, clusterChart); err != nil {
		t.Fatal(err)
	}
}

func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ chart, set, want string }{
		"an unknown value":                   {operatorChart, "imagee.tag=1", "imagee"},
		"an unknown value below":             {operatorChart, "crds.instal=true", "instal"},
		"a namespace that cannot be":         {operatorChart, "watchNamespaces={A_b}", "watchNamespaces"},
		"an unknown pull policy":             {operatorChart, "image.pullPolicy=Sometimes", "pullPolicy"},
		"no workers":                         {operatorChart, "workers=0", "workers"},
		"an argument that is no flag":        {operatorChart, "extraArgs={x}", "extraArgs"},
		"two masters":                        {clusterChart, "numberOfMaster=2", "numberOfMaster"},
		"an unknown engine":                  {clusterChart, "migration.engine=Fast", "engine"},
		"an unknown balance":                 {clusterChart, "migration.balance=Keys", "balance"},
		"no time for a batch":                {clusterChart, "migration.maxBatchMillis=0", "maxBatchMillis"},
		"too many pairs":                     {clusterChart, "migration.parallelism=65", "parallelism"},
		"a negative key":                     {clusterChart, "migration.maxKeyBytes=-1", "maxKeyBytes"},
		"a key of words":                     {clusterChart, "migration.maxKeyBytes=big", "maxKeyBytes"},
		"a pause of words":                   {clusterChart, "paused=maybe", "paused"},
		"20000 masters":                      {clusterChart, "numberOfMaster=20000", "numberOfMaster"},
		"fewer than no replicas":             {clusterChart, "replicationFactor=-1", "replicationFactor"},
		"a misspelt value":                   {clusterChart, "numberOfMasters=3", "numberOfMasters"},
		"a storage type that does not exist": {clusterChart, "storage.type=Tape", "type"},
		"a claim without size":               {clusterChart, "storage.type=PersistentVolumeClaim", "size"},
		"an emptyDir with size":              {clusterChart, "storage.size=1Gi", "size"},
		"a size that is none":                {clusterChart, "storage.type=PersistentVolumeClaim,storage.size=big", "size"},
		"a directive in capitals":            {clusterChart, "config.HZ=10", "HZ"},
		"a directive with two lines":         {clusterChart, "config.hz.a=10", "hz"},
		// 8.10 without quotes is the number 8.1.
		"a tag without quotes":  {clusterChart, "image.tag=8", "tag"},
		"a percentage over 100": {clusterChart, "memory.maxmemoryPercent=101", "maxmemoryPercent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := helm(t, template(c.chart, "--set", c.set)...)
			if err == nil {
				t.Fatalf("--set %s was accepted", c.set)
			}
			if !strings.Contains(err.Error(), "schema") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("--set %s: %v; want an error of the schema that names %s", c.set, err, c.want)
			}
		})
	}
}
