package framework

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/redisoperator/redis-operator/pkg/client/clientset/versioned"
)

// OperatorNamespace is where the tests install the operator's chart.
const OperatorNamespace = "redis-operator"

// Env is a Kubernetes to test in, and the way to it.
type Env struct {
	Config *rest.Config
	Kube   kubernetes.Interface
	Redis  versioned.Interface
	// Root is the top of the repository.
	Root string
}

// New connects to the Kubernetes that KUBECONFIG names.
func New() (*Env, error) {
	file := os.Getenv("KUBECONFIG")
	if file == "" {
		return nil, fmt.Errorf("KUBECONFIG is not set: `make e2e` starts the lab and sets it")
	}
	config, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 100, 200
	root, err := rootOf(".")
	if err != nil {
		return nil, err
	}
	e := &Env{Config: config, Root: root}
	if e.Kube, err = kubernetes.NewForConfig(config); err != nil {
		return nil, err
	}
	e.Redis, err = versioned.NewForConfig(config)
	return e, err
}

// rootOf is the top of the repository that a directory is in.
func rootOf(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for ; !isFile(filepath.Join(dir, "go.mod")); dir = filepath.Dir(dir) {
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod in any directory above")
		}
	}
	return dir, nil
}

// NewWithOperator is New, with the operator installed.
func NewWithOperator() (*Env, error) {
	e, err := New()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	return e, e.InstallOperator(ctx)
}

// Run runs a command at the top of the repository and returns what it printed.
func (e *Env) Run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // tests run what they name
	cmd.Dir = e.Root
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out.String())
	}
	return out.String(), nil
}

// Tool is the path of a pinned build tool, or its name when it is on PATH.
func Tool(name string) string {
	dir := os.Getenv("TOOLS")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return name
		}
		dir = filepath.Join(home, ".cache/redis-operator-tools/bin")
	}
	if path := filepath.Join(dir, name); isFile(path) {
		return path
	}
	return name
}

func isFile(path string) bool {
	info, err := os.Stat(path) //nolint:gosec // a tool of the Makefile
	return err == nil && info.Mode().IsRegular()
}

// InstallOperator installs or upgrades the operator's chart, with these --set values, and waits until it is available.
func (e *Env) InstallOperator(ctx context.Context, set ...string) error {
	if err := e.EnsureNamespace(ctx, OperatorNamespace); err != nil {
		return err
	}
	build, err := e.buildID()
	if err != nil {
		return err
	}
	// The tag stays dev when the binaries change: the annotation makes Kubernetes take up the new ones.
	args := []string{
		"upgrade", "--install", "op", "charts/redis-operator", "--namespace", OperatorNamespace,
		"--set", "image.tag=dev", "--set", "redisnode.image.tag=dev", "--set", "log.level=2",
		"--set-string", `podAnnotations.redisoperator\.io/build=` + build,
		"--wait", "--timeout", "90s",
	}
	for _, s := range set {
		args = append(args, "--set", s)
	}
	_, err = e.Run(ctx, Tool("helm"), args...)
	return err
}

// buildID changes with the binaries that `make lab-images` has put into the images.
func (e *Env) buildID() (string, error) {
	sum := sha256.New()
	for _, binary := range []string{"bin/operator", "bin/redisnode"} {
		data, err := os.ReadFile(filepath.Join(e.Root, binary))
		if err != nil {
			return "", fmt.Errorf("%w: `make lab-images` builds it and loads the images", err)
		}
		sum.Write(data)
	}
	return hex.EncodeToString(sum.Sum(nil)[:6]), nil
}

// EnsureNamespace makes a namespace in which Pod Security enforces restricted.
func (e *Env) EnsureNamespace(ctx context.Context, name string) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
		"pod-security.kubernetes.io/enforce": "restricted",
	}}}
	_, err := e.Kube.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// Namespace makes a namespace for a test, which is deleted when the test has passed: after a failure it
// stays to be looked at, until the next run removes it.
func (e *Env) Namespace(t *testing.T, name string) string {
	t.Helper()
	Eventually(t, 2*time.Minute, "an earlier namespace "+name+" is gone", func(ctx context.Context) error {
		err := e.Kube.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("it is being deleted: %w", err)
	})
	if err := e.EnsureNamespace(t.Context(), name); err != nil {
		t.Fatalf("make namespace %s: %v", name, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("namespace %s is left to be looked at", name)
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := e.Kube.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			t.Errorf("delete namespace %s: %v", name, err)
		}
	})
	return name
}

// Eventually polls until check is nil, and fails with its last error after the timeout.
func Eventually(t *testing.T, timeout time.Duration, what string, check func(ctx context.Context) error) {
	t.Helper()
	last := context.DeadlineExceeded
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, timeout, true,
		func(ctx context.Context) (bool, error) {
			err := check(ctx)
			if err == nil || ctx.Err() == nil {
				last = err // What the deadline itself makes of a request says less than the error before it.
			}
			return err == nil, nil
		})
	if err != nil {
		t.Fatalf("%s: not within %s: %v", what, timeout, last)
	}
}
