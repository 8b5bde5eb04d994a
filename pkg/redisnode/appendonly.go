package redisnode

import (
	"os"
	"path/filepath"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// Appendonly is turned on and off at nodes that run. One that is down then, or dies meanwhile, has its data in another
// file than the one that the ConfigMap has redis look at by now. Which one it is, redis has said before.

// keepsAppending says that redis is to start with its append-only file, which was whole when redis was last seen,
// although the ConfigMap turns it off: a snapshot is older, or there is none. The operator has the node that runs write
// one, and turns it off then.
func (g *gate) keepsAppending(conf string) bool {
	return !appendsOnly(conf) && g.state.read().AppendOnly == cluster.AppendOnlyOn && hasAppended(conf, g.opts.DataDir)
}

// asLeft is the configuration with which redis finds what it has left.
func (g *gate) asLeft(conf string) string {
	if g.keepsAppending(conf) {
		return conf + "\nappendonly yes\n"
	}
	return conf
}

// manifest lists the append-only files; "" when there are none. Each time that redis begins anew it is another list.
func (g *gate) manifest(conf string) string {
	name := directive(conf, "appendfilename", "appendonly.aof") + ".manifest"
	text, err := os.ReadFile(filepath.Join(g.opts.DataDir, appendDir(conf), name)) //nolint:gosec // redis takes it, too
	if err != nil {
		return ""
	}
	return string(text)
}

func appendDir(conf string) string { return directive(conf, "appenddirname", "appendonlydir") }

// hasData says whether redis will find data that are worth loading.
func (g *gate) hasData(conf string) bool {
	conf = g.asLeft(conf)
	return hasDataset(conf, g.opts.DataDir) && (appendsOnly(conf) || !g.hasStaleSnapshot(conf))
}
