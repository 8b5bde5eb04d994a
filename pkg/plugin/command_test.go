package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/client/clientset/versioned/fake"
)

// fresh is a RedisCluster that the operator has not seen.
func fresh(namespace, name string) *redisv1.RedisCluster {
	return &redisv1.RedisCluster{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, UID: "uid-2", Generation: 1, CreationTimestamp: ago(3 * time.Second),
	}}
}

func deleted(namespace, name string) *redisv1.RedisCluster {
	rc := converged(namespace, name)
	when := ago(time.Second)
	rc.DeletionTimestamp, rc.Finalizers = &when, []string{"example.com/f"}
	return rc
}

func TestCommand(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"table":         {},
		"table_all":     {"-A"},
		"table_wide":    {"-A", "-o", "wide"},
		"tree":          {"demo"},
		"tree_verb":     {"tree", "demo"},
		"status":        {"status", "demo"},
		"tree_wide":     {"demo", "-o", "wide"},
		"tree_not_live": {"demo", "--live=false"},
		"tree_odd":      {"odd"},
		"tree_fresh":    {"new"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture("default", nil, troubled(), deleted("default", "going"), fresh("default", "new"),
				converged("default", "demo"), converged("a-team", "a-rather-long-name"))
			if err := f.run(t.Context(), args...); err != nil {
				t.Fatal(err)
			}
			golden(t, name, f.out.String())
		})
	}
}

func TestCommandFindsNothing(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"No resources found in default namespace.\n": {},
		"No resources found\n":                       {"-A"},
	} {
		f := newFixture("default", nil)
		if err := f.run(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
		if f.out.String() != "" || f.err.String() != want {
			t.Errorf("%v: out %q, err %q; want %q", args, f.out.String(), f.err.String(), want)
		}
	}
}

func TestCommandRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want string
		args []string
	}{
		{`--output must be wide, json or yaml, not "xml"`, []string{"-o", "xml"}},
		{`"demo" has one namespace: --all-namespaces does not go with a name`, []string{"demo", "-A"}},
		{`--watch does not go with --output=json`, []string{"-o", "json", "-w"}},
		{`there is no RedisCluster nobody in namespace default`, []string{"nobody"}},
		{`there is no RedisCluster nobody in namespace default`, []string{"why", "nobody"}},
		{`accepts at most 1 arg(s), received 2`, []string{"a", "b"}},
	} {
		err := newFixture("default", nil, converged("default", "demo")).run(t.Context(), c.args...)
		if err == nil || err.Error() != c.want {
			t.Errorf("%v: %v, want %s", c.args, err, c.want)
		}
	}
}

func TestCommandSaysThatTheAPIIsMissing(t *testing.T) {
	t.Parallel()
	resource := schema.GroupResource{Group: redisv1.GroupName, Resource: "redisclusters"}
	for _, args := range [][]string{{}, {"demo"}, {"why", "demo"}, {"-w"}} {
		f := newFixture("default", nil)
		client, ok := f.clients.Redis.(*fake.Clientset)
		if !ok {
			t.Fatalf("%T", f.clients.Redis)
		}
		unknown := apierrors.NewGenericServerResponse(404, "get", resource, "demo", "404 page not found", 0, true)
		client.PrependReactor("*", "*", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, unknown })
		if err := f.run(t.Context(), args...); !errors.Is(err, ErrNoAPI) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestCommandAsData(t *testing.T) {
	t.Parallel()
	rc := converged("default", "demo")
	rc.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "m"}}
	for output, decode := range map[string]func([]byte, any) error{
		"json": json.Unmarshal,
		"yaml": func(b []byte, o any) error { return yaml.UnmarshalStrict(b, o) },
	} {
		f := newFixture("default", nil, rc)
		var list redisv1.RedisClusterList
		if err := errors.Join(f.run(t.Context(), "-o", output), decode(f.out.Bytes(), &list)); err != nil {
			t.Fatal(err)
		}
		if list.Kind != "RedisClusterList" || len(list.Items) != 1 || list.Items[0].Kind != "RedisCluster" {
			t.Errorf("%s: %s", output, f.out.String())
		}
		f = newFixture("default", nil, rc)
		var one redisv1.RedisCluster
		if err := errors.Join(f.run(t.Context(), "demo", "-o", output), decode(f.out.Bytes(), &one)); err != nil {
			t.Fatal(err)
		}
		if one.APIVersion != "redisoperator.io/v1" || len(one.Status.Nodes) != 6 || one.ManagedFields != nil {
			t.Errorf("%s: %s", output, f.out.String())
		}
	}
}

func TestCommandAsDataOfNothing(t *testing.T) {
	t.Parallel()
	f := newFixture("default", nil)
	if err := f.run(t.Context(), "-o", "json"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(f.out.String(), `"items": []`) || f.err.Len() > 0 {
		t.Errorf("out %s, err %s", f.out.String(), f.err.String())
	}
}

func TestWatchPrintsChangesOnly(t *testing.T) {
	t.Parallel()
	f := newFixture("default", nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := &command{now: func() time.Time { return now }}
	c.streams.Out, c.streams.ErrOut = &f.out, &f.err
	s := &screen{}
	for _, text := range []string{"", "", "one\n", "one\n", "two\n", ""} {
		if err := c.printChange(f.clients, s, text); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.out.String(); got != "one\n\ntwo\n" {
		t.Errorf("out %q", got)
	}
	if got := strings.Count(f.err.String(), "No resources found"); got != 2 {
		t.Errorf("err %q", f.err.String())
	}
	cancel()
	if err := f.run(ctx, "-w"); err != nil {
		t.Errorf("a watch that is cut ends in %v", err)
	}
}

func TestWatchSeesAChange(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	f := newFixture("default", nil, converged("default", "demo"))
	looks := 0
	ask := f.clients.Ask
	f.clients.Ask = func(ctx context.Context, namespace, pod string) (Info, error) {
		if pod != "demo-0" {
			return ask(ctx, namespace, pod)
		}
		looks++
		if looks > 1 {
			cancel()
			return ask(ctx, namespace, pod)
		}
		rc := converged("default", "demo")
		rc.Status.NumberOfMaster = 2
		_, err := f.clients.Redis.RedisoperatorV1().RedisClusters("default").UpdateStatus(ctx, rc, metav1.UpdateOptions{})
		if err != nil {
			t.Error(err)
		}
		return ask(ctx, namespace, pod)
	}
	if err := f.run(ctx, "demo", "-w"); err != nil {
		t.Fatal(err)
	}
	if looks != 2 {
		t.Errorf("%d looks, want one at the start and one for the change; out:\n%s", looks, f.out.String())
	}
}
