package controller

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

// noteTaken remembers what was written before and is not wanted any more. An operator that begins with nothing in it
// still knows it of nodes that were started with it.
func (l *settings) noteTaken(written string, wanted []cluster.Setting) {
	if l.taken == nil {
		l.taken = map[string]string{}
	}
	for _, d := range objects.ParseConf(written) {
		l.taken[d.Name] = d.Value
	}
	for _, s := range wanted {
		delete(l.taken, s.Name)
	}
}

// noteKept notes what a node keeps that was taken out of the spec, since nobody can tell what it has by itself.
func (l *settings) noteKept(pod string, said said, wanted []cluster.Setting) {
	if len(said.launch.defaults) > 0 {
		return
	}
	before := maps.Clone(l.taken)
	maps.Copy(before, said.launch.conf)
	if names := cluster.Kept(said.live, wanted, before); len(names) > 0 {
		l.kept = append(l.kept, fmt.Sprintf("%s keeps %s", pod, strings.Join(names, ", ")))
	}
}

// keptMessage says which nodes keep what; "" when none does.
func (l *settings) keptMessage() string {
	if len(l.kept) == 0 {
		return ""
	}
	return strings.Join(slices.Sorted(slices.Values(l.kept)), "; ") + ": taken out of the spec, and what the server has " +
		"by itself is not known. It goes when the pod is replaced"
}
