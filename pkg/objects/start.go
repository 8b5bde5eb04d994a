package objects

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// startEnv tells the agent of a pod what only the start of its redis can bring. It belongs to the pod, and is not in
// the ConfigMap: a module that cannot be loaded then keeps none from starting again that was made before.
func startEnv(rc *redisv1.RedisCluster) []corev1.EnvVar {
	var env []corev1.EnvVar
	if lines := startLines(rc); lines != "" {
		// The kubelet puts in the values of other variables, $(NAME), but where a $ is doubled.
		env = append(env, corev1.EnvVar{Name: "REDIS_CONF", Value: strings.ReplaceAll(lines, "$", "$$")})
	}
	if denied := deniedCommands(rc); len(denied) > 0 {
		env = append(env, corev1.EnvVar{Name: "DENIED_COMMANDS", Value: strings.Join(denied, " ")})
	}
	return env
}

// startLines are lines of redis.conf.
func startLines(rc *redisv1.RedisCluster) string {
	var b strings.Builder
	for _, m := range rc.Spec.Modules {
		b.WriteString("loadmodule " + quoteArg(m.Path))
		for _, arg := range m.Args {
			b.WriteString(" " + quoteArg(string(arg)))
		}
		b.WriteByte('\n')
	}
	for _, command := range slices.Sorted(maps.Keys(rc.Spec.RenamedCommands)) {
		if name := rc.Spec.RenamedCommands[command]; name != "" {
			b.WriteString("rename-command " + command + " " + string(name) + "\n")
		}
	}
	return b.String()
}

// deniedCommands are those that clients have no name for. They are a matter of ACL: redis itself, and what it sends to
// replicas, knows them as ever.
func deniedCommands(rc *redisv1.RedisCluster) []string {
	var denied []string
	for _, command := range slices.Sorted(maps.Keys(rc.Spec.RenamedCommands)) {
		if rc.Spec.RenamedCommands[command] == "" {
			denied = append(denied, command)
		}
	}
	return denied
}
