package controller

import (
	"cmp"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
)

// limit sets the memory limit of redis in the spec; "" takes it away.
func limit(memory string) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) {
		if memory == "" {
			rc.Spec.PodTemplate.Spec.Containers[0].Resources = corev1.ResourceRequirements{}
			return
		}
		rc.Spec.PodTemplate.Spec.Containers[0].Resources = corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceMemory: quantity.MustParse(memory)},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: quantity.MustParse(memory)},
		}
	}
}

// FAULT 40: maxmemory follows the memory that a pod has, and is never ahead of it: with more than its limit leaves
// room for, redis is ended by the kernel before its pod has come to its turn.
func TestMemory_FollowsThePods(t *testing.T) {
	t.Parallel()
	f := newCluster(t, clustertest.Settings{Seed: 3}, limit("256Mi"))
	for _, to := range []string{"1Gi", "512Mi", ""} {
		f.what = "to " + to
		f.change(limit(to))
		for range 300 {
			_ = f.lookFresh("shop")
			f.hold()
			f.withinLimits()
			if f.isReady("shop") {
				break
			}
			f.pass()
		}
		f.converge("shop")
		f.withinLimits()
		all := quantity.MustParse(cmp.Or(to, "0"))
		f.everywhere("maxmemory", strconv.FormatInt(all.Value()/4*3, 10))
		f.settled("shop")
	}
}

// withinLimits fails when a redis that an operator has seen may take more than three quarters of its pod's limit.
func (f *fixture) withinLimits() {
	f.t.Helper()
	has := f.runsWith("maxmemory")
	for _, pod := range f.pods("shop") {
		bytes, err := strconv.ParseInt(has[pod.Name], 10, 64)
		most := memoryLimitOf(pod) / 4 * 3
		if pod.DeletionTimestamp == nil && ready(pod) && (err != nil || most > 0 && (bytes == 0 || bytes > most)) {
			f.t.Errorf("%s: %s runs with maxmemory %q, and may have %d", f.what, pod.Name, has[pod.Name], most)
		}
	}
}

// FAULT 40: who asks for more data than leaves room for a full synchronisation is told so, and nobody else.
func TestNoHeadroom(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		edits edits
		want  string // a part of what is said; "": there is room
	}{
		"no limit":                                   {nil, ""},
		"no limit, and maxmemory":                    {edits{configured("maxmemory", "100gb")}, ""},
		"by default, a small node":                   {edits{limit("32Mi"), percent(75)}, ""},
		"by default, a big node":                     {edits{limit("64Gi"), percent(75)}, ""},
		"83 of a hundred":                            {edits{limit("256Mi"), percent(83)}, ""},
		"84 of a hundred":                            {edits{limit("256Mi"), percent(84)}, "spec.memory.maxmemoryPercent: maxmemory of 215Mi leaves 40Mi"},
		"all of it":                                  {edits{limit("7Ei"), percent(100)}, "leaves 0 of the limit"},
		"the user's maxmemory leaves room":           {edits{limit("1Gi"), percent(100), configured("maxmemory", "100mb")}, ""},
		"the user's maxmemory leaves none":           {edits{limit("256Mi"), percent(75), configured("maxmemory", "250mb")}, "spec.config[maxmemory]: maxmemory of 250Mi"},
		"the user's maxmemory is more than there is": {edits{limit("256Mi"), percent(75), configured("maxmemory", "1gb")}, "leaves 0 of the limit"},
		"no maxmemory":                               {edits{limit("256Mi"), percent(75), configured("maxmemory", "0")}, "spec.config[maxmemory] is 0"},
		"a typo is for the servers to refuse":        {edits{limit("256Mi"), percent(75), configured("maxmemory", "1gx")}, ""},
		"buffers that fit":                           {edits{limit("1Gi"), percent(75), configured("client-output-buffer-limit", "slave 100mb 50mb 60")}, ""},
		"buffers that do not":                        {edits{limit("1Gi"), percent(75), configured("client-output-buffer-limit", "normal 0 0 0 replica 512mb 64mb 60")}, "replicas may take 512Mi"},
		"buffers without a limit":                    {edits{limit("1Gi"), percent(75), configured("client-output-buffer-limit", "replica 0 0 0")}, "replicas may take 256Mi"},
		"the servers' own buffers":                   {edits{limit("256Mi"), percent(75), configured("client-output-buffer-limit", "pubsub 32mb 8mb 60")}, "replicas may take 256Mi"},
	} {
		got := noHeadroom(demo(tc.edits...))
		if !strings.Contains(got, tc.want) || (got == "") != (tc.want == "") {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// The condition warns of it as long as it is so, beside a cluster that is ready.
func TestNoHeadroom_IsSaid(t *testing.T) {
	t.Parallel()
	f := newCluster(t, clustertest.Settings{Seed: 3}, limit("256Mi"))
	f.change(percent(90))
	f.converge("shop")
	f.says(redisv1.ConditionDegraded, "True NoHeadroom", "spec.memory.maxmemoryPercent: maxmemory of 230Mi leaves 25Mi")
	f.says(redisv1.ConditionReady, "True Healthy")
	f.settled("shop")
	f.change(percent(75))
	f.converge("shop")
	f.says(redisv1.ConditionDegraded, "False Healthy")
}

func percent(n int32) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) { rc.Spec.Memory.MaxmemoryPercent = &n }
}
