package objects

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// modules has a module loaded, with these arguments.
func modules(path string, args ...redisv1.ModuleArg) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) {
		rc.Spec.Modules = append(rc.Spec.Modules, redisv1.Module{Path: path, Args: args})
	}
}

func renamed(commands redisv1.RenamedCommands) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) { rc.Spec.RenamedCommands = commands }
}

// What only a start can bring is the pod's: in the order of the spec, each argument as it is, and none of it in the
// ConfigMap, which pods of before start with, too.
func TestStartEnv(t *testing.T) {
	t.Parallel()
	rc := cluster(modules("/modules/my json.so"), modules("/b.so", "PATH", `a "$(POD_IP)" \ é`, ""),
		renamed(redisv1.RenamedCommands{"keys": "keys-x", "flushdb": "", "flushall": "", "scan": "s"}))
	agent := container(t, NewPod(rc, 0, images), containerRedisnode)
	got := map[string]string{}
	for _, e := range agent.Env {
		got[e.Name] = e.Value
	}
	want := "loadmodule \"/modules/my json.so\"\n" +
		`loadmodule /b.so PATH "a \"$$(POD_IP)\" \\ \xc3\xa9" ""` + "\n" +
		"rename-command keys keys-x\nrename-command scan s\n"
	if got["REDIS_CONF"] != want || got["DENIED_COMMANDS"] != "flushall flushdb" {
		t.Errorf("got %q, want %q", got, want)
	}
	if a, b := redisConf(rc), redisConf(cluster()); a != b {
		t.Errorf("the ConfigMap has %s", a)
	}
	for _, e := range container(t, NewPod(cluster(), 0, images), containerRedisnode).Env {
		if e.Name == "REDIS_CONF" || e.Name == "DENIED_COMMANDS" {
			t.Errorf("%v without anything to say", corev1.EnvVar{Name: e.Name, Value: e.Value})
		}
	}
}
