package plugin

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const manifest = `# Source: a chart
apiVersion: v1
kind: ConfigMap
metadata: {name: demo}
---
---
apiVersion: other.example/v1
kind: RedisCluster
metadata: {name: demo}
spec: {numberOfMaster: 70}
---
apiVersion: redisoperator.io/v1
kind: RedisCluster
metadata:
  name: demo
spec:
  numberOfMaster: 4
  config: {maxmemory-policy: allkeys-lru}
  podTemplate:
    spec:
      containers:
      - name: redis
        image: redis:8.0
`

func TestPlanOfAManifest(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new.yaml")
	if err := os.WriteFile(path, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args    []string
		masters int32
	}{
		{[]string{"-f", path}, 4},
		{[]string{"-f", "-"}, 4},
		{[]string{"-f", path, "--masters", "6"}, 6},
	} {
		f := newFixture("default", nil, converged("default", "demo"))
		f.in.WriteString(manifest)
		tried := tries(t, f, nil)
		if err := f.run(t.Context(), append([]string{"plan", "demo"}, c.args...)...); err != nil {
			t.Fatal(err)
		}
		if len(*tried) != 1 {
			t.Fatalf("%v: %d tries", c.args, len(*tried))
		}
		spec := (*tried)[0].Spec
		if *spec.NumberOfMaster != c.masters || spec.Config["maxmemory-policy"] != "allkeys-lru" ||
			len(spec.PodTemplate.Spec.Containers) != 1 || spec.ReplicationFactor != nil {
			t.Errorf("%v: tried %+v", c.args, spec)
		}
		if !strings.Contains(f.out.String(), "Not part of the plan, but changed: spec.config.") {
			t.Errorf("%v:\n%s", c.args, f.out.String())
		}
	}
}

func TestPlanRefusesManifests(t *testing.T) {
	t.Parallel()
	head := "apiVersion: redisoperator.io/v1\nkind: RedisCluster\n"
	for text, want := range map[string]string{
		"":                                 "it has no RedisCluster of redisoperator.io/v1",
		"kind: Pod\napiVersion: v1\n":      "it has no RedisCluster of redisoperator.io/v1",
		head + "metadata: {name: other}\n": "it is about other, not default/demo",
		head + "metadata: {name: demo, namespace: x}\n":                 "it is about x/demo, not default/demo",
		head + "metadata: {name: demo}\nspec: {numberOfMasters: 4}\n":   `unknown field "numberOfMasters"`,
		head + "metadata: {name: demo}\nspec: {numberOfMaster: many}\n": "cannot unmarshal",
		"\t{":                              "yaml",
		strings.Repeat("#", manifestMax+1): "it is larger than 4Mi",
	} {
		f := newFixture("default", nil, converged("default", "demo"))
		f.in.WriteString(text)
		tried := tries(t, f, nil)
		err := f.run(t.Context(), "plan", "demo", "-f", "-")
		if err == nil || !strings.Contains(err.Error(), want) || len(*tried) > 0 {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
	f := newFixture("default", nil, converged("default", "demo"))
	if err := f.run(t.Context(), "plan", "demo", "-f", "/nowhere.yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
