package redisnode

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// Appendonly is turned on and off at nodes that run. One that is down then, or dies meanwhile, has its data in another
// file than the one that the ConfigMap has redis look at by now. Which one it is, redis has said before.

// staleSuffix is of append-only files that were put aside.
const staleSuffix = ".stale"

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

// putStaleAside puts append-only files aside that redis did not write to any more when it was last seen. With
// appendonly turned on again it would start with them: what was written since would be gone, and what was deleted would
// be back. Files that it has begun since are not those.
func (g *gate) putStaleAside(conf string) error {
	stale := g.state.read().Stale
	if !appendsOnly(conf) || stale == "" || g.manifest(conf) != stale {
		return nil
	}
	dir := filepath.Join(g.opts.DataDir, appendDir(conf))
	//nolint:gosec // the name is that of the ConfigMap, which redis takes, too
	if err := errors.Join(os.RemoveAll(dir+staleSuffix), os.Rename(dir, dir+staleSuffix)); err != nil {
		return fmt.Errorf("put stale append-only files aside: %w", err)
	}
	g.note("the append-only files were written to no more: they are in %s", dir+staleSuffix)
	return nil
}

// manifest lists the append-only files; "" when there are none. Each time that redis begins anew it is another list.
func (g *gate) manifest(conf string) string {
	name := directive(conf, "appendfilename", "appendonly.aof") + ".manifest"
	text, err := os.ReadFile(filepath.Join(g.opts.DataDir, appendDir(conf), name)) //nolint:gosec // as above
	if err != nil {
		return ""
	}
	return string(text)
}

func appendDir(conf string) string { return directive(conf, "appenddirname", "appendonlydir") }

// rememberFiles keeps what the append-only files of redis are worth by its own word, and which ones are worth nothing.
func (a *Agent) rememberFiles(r *record, worth cluster.AppendOnly) {
	if worth == "" {
		return
	}
	r.AppendOnly, r.Stale = worth, ""
	if worth == cluster.AppendOnlyOn {
		return
	}
	if conf, err := os.ReadFile(filepath.Join(a.opts.ConfigDir, confFile)); err == nil {
		r.Stale = a.gate.manifest(string(conf))
	}
}
