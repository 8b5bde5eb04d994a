//go:build bench

package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

// barePods are pods of Redis that nobody cares for: no operator, no agent, no cluster. What writers of a cluster
// notice when these start and end beside it is what the machine makes of any pod.
type barePods struct {
	env       *framework.Env
	namespace string
}

// newBarePods makes a namespace for them.
func newBarePods(t *testing.T, env *framework.Env) *barePods {
	t.Helper()
	return &barePods{env: env, namespace: env.Namespace(t, "bench-bare")}
}

// start starts pods, so many at a time, until all are ready.
func (b *barePods) start(t *testing.T, pods, atOnce int) {
	t.Helper()
	for first := 0; first < pods; first += atOnce {
		last := min(first+atOnce, pods)
		for i := first; i < last; i++ {
			if _, err := b.api().Create(t.Context(), barePod(i), metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		for i := first; i < last; i++ {
			b.awaitReady(t, i)
		}
	}
}

// end ends the pods one after the other.
func (b *barePods) end(t *testing.T, pods int) {
	t.Helper()
	for i := range pods {
		b.endOne(t, i)
	}
}

// roll ends one pod after the other, and starts it anew.
func (b *barePods) roll(t *testing.T, pods int) {
	t.Helper()
	for i := range pods {
		b.endOne(t, i)
		if _, err := b.api().Create(t.Context(), barePod(i), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		b.awaitReady(t, i)
	}
}

func (b *barePods) api() podAPI { return b.env.Kube.CoreV1().Pods(b.namespace) }

// podAPI is the part of the client that is used here.
type podAPI interface {
	Create(ctx context.Context, pod *corev1.Pod, o metav1.CreateOptions) (*corev1.Pod, error)
	Get(ctx context.Context, name string, o metav1.GetOptions) (*corev1.Pod, error)
	Delete(ctx context.Context, name string, o metav1.DeleteOptions) error
}

func (b *barePods) awaitReady(t *testing.T, i int) {
	t.Helper()
	framework.Eventually(t, time.Minute, "a bare pod is ready", func(ctx context.Context) error {
		pod, err := b.api().Get(ctx, barePod(i).Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("%s is %s", pod.Name, pod.Status.Phase)
	})
}

func (b *barePods) endOne(t *testing.T, i int) {
	t.Helper()
	name := barePod(i).Name
	if err := b.api().Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	framework.Eventually(t, time.Minute, "a bare pod is gone", func(ctx context.Context) error {
		_, err := b.api().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("%s is there: %w", name, err)
	})
}

// barePod is ready by a probe of the same period as that of the operator's pods.
func barePod(i int) *corev1.Pod {
	grace, user := int64(1), int64(999)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("bare-%d", i), Labels: map[string]string{"app": "bare"}},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: &grace,
			AutomountServiceAccountToken:  new(false),
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: new(true), RunAsUser: &user,
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
				MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway,
				LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "bare"}},
			}},
			Containers: []corev1.Container{{
				Name: "redis", Image: "redis:8.0", ImagePullPolicy: corev1.PullNever,
				Command: []string{"redis-server", "--dir", "/tmp", "--save", "", "--protected-mode", "no"},
				ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{
					TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(6379)},
				}},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: new(false),
					Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
}

// withoutOperator does something while no operator runs.
func withoutOperator(t *testing.T, env *framework.Env, do func()) {
	t.Helper()
	scaleOperator(t, env, 0)
	do()
	scaleOperator(t, env, 1)
}

// scaleOperator has so many operators run.
func scaleOperator(t *testing.T, env *framework.Env, replicas int32) {
	t.Helper()
	api := env.Kube.AppsV1().Deployments(framework.OperatorNamespace)
	list, err := api.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 {
		t.Fatalf("%d deployments of the operator", len(list.Items))
	}
	name := list.Items[0].Name
	scale, err := api.GetScale(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	scale.Spec.Replicas = replicas
	if _, err = api.UpdateScale(t.Context(), name, scale, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	framework.Eventually(t, 2*time.Minute, fmt.Sprintf("%d operators run", replicas), func(ctx context.Context) error {
		d, err := api.Get(ctx, name, metav1.GetOptions{})
		if err == nil && (d.Status.Replicas != replicas || d.Status.ReadyReplicas != replicas) {
			err = fmt.Errorf("%d run, %d are ready", d.Status.Replicas, d.Status.ReadyReplicas)
		}
		return err
	})
}
