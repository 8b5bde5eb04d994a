//go:build e2e

package chaos

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

var env *framework.Env

func TestMain(m *testing.M) {
	var err error
	if env, err = framework.NewWithOperator(); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// newWorld installs a cluster in a namespace of its own, with writers on it, and an observer and a guard that watch. Its
// password is one that cannot be anywhere by chance.
func newWorld(t *testing.T, name string, volumes bool) *World {
	t.Helper()
	if os.Getenv("LAB") == "" {
		t.Skip("the lab breaks things; set LAB to its lab.sh")
	}
	ns := env.Namespace(t, name)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "canary"},
		StringData: map[string]string{"password": fmt.Sprintf("canary-%x", time.Now().UnixNano())},
	}
	if _, err := env.Kube.CoreV1().Secrets(ns).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	set := []string{"image.repository=redis", "image.tag=8.0", "image.pullPolicy=Never", "auth.secretName=canary"}
	if volumes {
		set = append(set, "storage.type=PersistentVolumeClaim", "storage.size=64Mi", "storage.retention=Delete")
	}
	c := env.InstallCluster(t, ns, name, set...)
	c.AuthSecret = "canary"
	c.WaitReady(t, 2*time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	w, err := New(ctx, c, DefaultLoad(), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if err = w.AwaitWhole(ctx, time.Minute); err != nil {
		t.Fatal(err)
	}
	guarded, stop := context.WithCancel(ctx)
	said, err := w.Guard(guarded)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		for _, err := range <-said {
			t.Error(err)
		}
	})
	return w
}
