package redisnode

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// A node that starts with files that redis wrote to no more has lost what was written since, and what was deleted or
// has expired is back, as if it was of today.

const (
	// staleSuffix is of files that were put aside.
	staleSuffix = ".stale"
	// staleAge is how old a snapshot is at least that counts as stale: not the one that redis writes as it ends.
	staleAge = time.Second

	saveSetting = "save"
)

// putStaleAside puts files aside that redis did not write to any more when it was last seen: append-only files, when
// appendonly is turned on again, and a snapshot. Files that it has begun since are not those.
func (g *gate) putStaleAside(conf string) error {
	stale := g.state.read().Stale
	if appendsOnly(conf) && stale != "" && g.manifest(conf) == stale {
		if err := g.moveStale(filepath.Join(g.opts.DataDir, appendDir(conf))); err != nil {
			return err
		}
	}
	if g.hasStaleSnapshot(conf) {
		return g.moveStale(g.snapshotPath(conf))
	}
	return nil
}

func (g *gate) moveStale(path string) error {
	aside := path + staleSuffix
	if err := errors.Join(os.RemoveAll(aside), os.Rename(path, aside)); err != nil { //nolint:gosec // a name of redis.conf
		return fmt.Errorf("put stale data aside: %w", err)
	}
	g.note("%s was written to no more when redis last ran: it is %s now", path, filepath.Base(aside))
	return nil
}

func (g *gate) hasStaleSnapshot(conf string) bool {
	stale := g.state.read().StaleSnapshot
	return stale != "" && identity(g.snapshotPath(conf)) == stale
}

func (g *gate) snapshotPath(conf string) string {
	return filepath.Join(g.opts.DataDir, directive(conf, "dbfilename", "dump.rdb"))
}

// identity tells a file from one that is written in its place; "" when there is none.
func identity(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d bytes of %s", info.Size(), info.ModTime().UTC().Format(time.RFC3339Nano))
}

// rememberFiles keeps what the append-only files of redis are worth by its own word, and which ones are worth nothing.
func (a *Agent) rememberFiles(r *record, worth cluster.AppendOnly, conf string) {
	if worth == "" {
		return
	}
	r.AppendOnly, r.Stale = worth, ""
	if worth == cluster.AppendOnlyOff {
		r.Stale = a.gate.manifest(conf)
	}
}

// staleSnapshot is the snapshot that is there beside a redis that makes none, neither as it runs nor as it is to run:
// it may not have been told yet, or have been told before the ConfigMap was. "" when there is no new one.
func (a *Agent) staleSnapshot(ctx context.Context, look snapshot, conf string) string {
	if look.info.AppendOnly != cluster.AppendOnlyOff || look.info.Loading || !keepsNothing(conf) {
		return ""
	}
	path := a.gate.snapshotPath(conf)
	is := identity(path)
	info, err := os.Stat(path)
	if err != nil || is == a.state.read().StaleSnapshot || !info.ModTime().Before(look.at.Add(-staleAge)) {
		return ""
	}
	ep, err := a.endpoint()
	if err != nil {
		return ""
	}
	live, err := a.clients.ConfigGet(ctx, ep, saveSetting)
	if saves, said := live[saveSetting]; err != nil || !said || saves != "" {
		return ""
	}
	return is
}

// keepsNothing says that redis is to write nothing of its data while it runs.
func keepsNothing(conf string) bool {
	saves := true // what redis does by itself
	for line := range strings.Lines(conf) {
		if fields := strings.Fields(line); len(fields) > 1 && strings.EqualFold(fields[0], saveSetting) {
			saves = len(fields) > 2
		}
	}
	return !saves && !appendsOnly(conf)
}
