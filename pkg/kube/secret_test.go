package kube

import (
	"errors"
	"regexp"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

const ttl = time.Minute

// manual is a clock that is moved by hand.
type manual struct{ at time.Time }

func (m *manual) now() time.Time { return m.at }

func newSecrets(client *fake.Clientset) (*SecretControl, *manual) {
	clock := &manual{at: time.Unix(1000, 0)}
	return NewSecretControl(client, ttl, clock.now), clock
}

func secret(value string, edits ...func(*metav1.ObjectMeta)) *corev1.Secret {
	if len(edits) == 0 {
		edits = append(edits, ownedBy(ownUID))
	}
	return &corev1.Secret{ObjectMeta: objectMeta("demo-auth", edits...), Data: map[string][]byte{"password": []byte(value)}}
}

func generates(value string) Generate {
	return func(*corev1.Secret) (*corev1.Secret, error) { return secret(value), nil }
}

func TestSecretIsMadeOnceAndRemembered(t *testing.T) {
	t.Parallel()
	client := newClient()
	secrets, clock := newSecrets(client)
	get := func(rc *redisv1.RedisCluster, fresh string) string {
		t.Helper()
		s, err := secrets.Ensure(t.Context(), rc, "demo-auth", Never, generates(fresh))
		if err != nil {
			t.Fatal(err)
		}
		return string(s.Data["password"])
	}
	if got := get(demo(), "first"); got != "first" || requests(client) != "get secrets, create secrets" {
		t.Errorf("made: %s", got)
	}
	clock.at = clock.at.Add(ttl - 1)
	if got := get(demo(), "second"); got != "first" || requests(client) != "" {
		t.Errorf("remembered: %s", got)
	}
	clock.at = clock.at.Add(1)
	if got := get(demo(), "third"); got != "first" || requests(client) != "get secrets" {
		t.Errorf("read again: %s", got)
	}
	secrets.Forget(demo())
	if got := get(demo(), "fourth"); got != "first" || requests(client) != "get secrets" {
		t.Errorf("forgotten: %s", got)
	}
}

func TestSecretsOfGoneClustersDoNotStayInMemory(t *testing.T) {
	t.Parallel()
	client := newClient(secret("x"))
	secrets, clock := newSecrets(client)
	if _, err := secrets.Ensure(t.Context(), demo(), "demo-auth", Never, generates("y")); err != nil {
		t.Fatal(err)
	}
	clock.at = clock.at.Add(2 * ttl)
	other := demo()
	other.UID = "other"
	_, err := secrets.Require(t.Context(), other, "demo-auth", "password")
	if err != nil || len(secrets.known) != 1 {
		t.Errorf("%d secrets are known, error %v", len(secrets.known), err)
	}
}

// A predecessor that was killed after its creation, or a second operator: what is there counts.
func TestFault18_SecretMadeByAnotherOperatorMeanwhile(t *testing.T) {
	t.Parallel()
	client := newClient()
	client.PrependReactor("create", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		if err := client.Tracker().Add(secret("theirs")); err != nil {
			return true, nil, err
		}
		return true, nil, apierrors.NewAlreadyExists(schema.GroupResource{Resource: "secrets"}, "demo-auth")
	})
	secrets, _ := newSecrets(client)
	s, err := secrets.Ensure(t.Context(), demo(), "demo-auth", Never, generates("ours"))
	if err != nil || string(s.Data["password"]) != "theirs" {
		t.Errorf("%v, error %v", s, err)
	}
}

func TestFault20_ForeignSecretIsNotOverwritten(t *testing.T) {
	t.Parallel()
	always := func(*corev1.Secret) bool { return true }
	for name, tc := range map[string]struct {
		existing *corev1.Secret
		err      error
	}{
		"without owner":          {secret("x", func(*metav1.ObjectMeta) {}), ErrNameConflict},
		"of a StatefulSet":       {secret("x", ownedByStatefulSet), ErrNameConflict},
		"of the former namesake": {secret("x", ownedBy("former")), ErrStale},
		"that is going":          {secret("x", ownedBy(ownUID), terminating), ErrStale},
	} {
		client := newClient(tc.existing)
		secrets, _ := newSecrets(client)
		for range 2 {
			if _, err := secrets.Ensure(t.Context(), demo(), "demo-auth", always, generates("y")); !errors.Is(err, tc.err) {
				t.Errorf("%s: %v", name, err)
			}
			if got := requests(client); got != "get secrets" {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
}

func TestSecretIsRenewedWhenItIsDue(t *testing.T) {
	t.Parallel()
	client := newClient(secret("old"))
	secrets, _ := newSecrets(client)
	old := func(s *corev1.Secret) bool { return string(s.Data["password"]) == "old" }
	for range 3 {
		s, err := secrets.Ensure(t.Context(), demo(), "demo-auth", old, generates("new"))
		if err != nil || string(s.Data["password"]) != "new" {
			t.Fatalf("%v, error %v", s, err)
		}
	}
	if got := requests(client); got != "get secrets, get secrets, update secrets" {
		t.Errorf("requests: %s", got)
	}
}

func TestSecretRenewedByAnotherOperatorIsTaken(t *testing.T) {
	t.Parallel()
	client := newClient(secret("old"))
	secrets, _ := newSecrets(client)
	if _, err := secrets.Ensure(t.Context(), demo(), "demo-auth", Never, generates("new")); err != nil {
		t.Fatal(err)
	}
	if err := client.Tracker().Update(corev1.SchemeGroupVersion.WithResource("secrets"), secret("theirs"), "shop"); err != nil {
		t.Fatal(err)
	}
	old := func(s *corev1.Secret) bool { return string(s.Data["password"]) == "old" }
	s, err := secrets.Ensure(t.Context(), demo(), "demo-auth", old, generates("ours"))
	if err != nil || string(s.Data["password"]) != "theirs" || writes(client) != "" {
		t.Errorf("%v, error %v", s, err)
	}
}

func TestSecretErrors(t *testing.T) {
	t.Parallel()
	always := func(*corev1.Secret) bool { return true }
	boom := errors.New("boom")
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, "demo-auth", boom)
	fail := func(*corev1.Secret) (*corev1.Secret, error) { return nil, boom }
	for name, tc := range map[string]struct {
		existing []runtime.Object
		verb     string
		err      error
		generate Generate
		want     error
	}{
		"cannot be read":                {verb: "get", err: boom, want: boom},
		"cannot be created":             {verb: "create", err: boom, want: boom},
		"cannot be generated":           {generate: fail, want: boom},
		"cannot be generated anew":      {existing: []runtime.Object{secret("x")}, generate: fail, want: boom},
		"cannot be renewed":             {existing: []runtime.Object{secret("x")}, verb: "update", err: boom, want: boom},
		"changed before it was renewed": {existing: []runtime.Object{secret("x")}, verb: "update", err: conflict, want: ErrStale},
	} {
		client := newClient(tc.existing...)
		if tc.verb != "" {
			fails(client, tc.verb, "secrets", tc.err)
		}
		if tc.generate == nil {
			tc.generate = generates("new")
		}
		secrets, _ := newSecrets(client)
		if _, err := secrets.Ensure(t.Context(), demo(), "demo-auth", always, tc.generate); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
		if len(secrets.known) != 0 {
			t.Errorf("%s: something is remembered", name)
		}
	}
}

func TestRequire(t *testing.T) {
	t.Parallel()
	theirs := secret("pw", func(*metav1.ObjectMeta) {})
	client := newClient(theirs)
	secrets, _ := newSecrets(client)
	for range 2 {
		value, err := secrets.Require(t.Context(), demo(), "demo-auth", "password")
		if err != nil || string(value) != "pw" {
			t.Errorf("%s, error %v", value, err)
		}
	}
	if got := requests(client); got != "get secrets" {
		t.Errorf("requests: %s", got)
	}
	// What is missing is looked for at every look: the user is about to make it.
	for range 2 {
		if _, err := secrets.Require(t.Context(), demo(), "nowhere", "password"); !errors.Is(err, ErrSecretNotFound) {
			t.Errorf("no secret: %v", err)
		}
	}
	secrets.Forget(demo())
	for range 2 {
		if _, err := secrets.Require(t.Context(), demo(), "demo-auth", "user"); !errors.Is(err, ErrSecretNotFound) {
			t.Errorf("no key: %v", err)
		}
	}
	if got := requests(client); got != "get secrets, get secrets, get secrets, get secrets" {
		t.Errorf("requests: %s", got)
	}
}

func TestSecretControlServesManyWorkers(t *testing.T) {
	t.Parallel()
	secrets, _ := newSecrets(newClient(secret("x")))
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for range 50 {
				if _, err := secrets.Ensure(t.Context(), demo(), "demo-auth", Never, generates("y")); err != nil {
					t.Error(err)
				}
				secrets.Forget(demo())
			}
		})
	}
	workers.Wait()
}

func TestNewPassword(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[A-Za-z0-9]{32}$`)
	seen := map[string]bool{}
	for range 200 {
		password, err := NewPassword()
		if err != nil || !form.MatchString(password) || seen[password] {
			t.Fatalf("%q, error %v", password, err)
		}
		seen[password] = true
	}
}
