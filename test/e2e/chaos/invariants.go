package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/test/e2e/framework"
	"github.com/redisoperator/redis-operator/test/e2e/witness"
)

// readyAtEnd is how long after the last fault the cluster may take.
const readyAtEnd = time.Minute

// Finish checks what can only be checked when nothing is broken any more, and ends the writing and the looking. What the
// observer saw meanwhile is part of what it says.
func (w *World) Finish(ctx context.Context, s *Summary) {
	if err := w.AwaitWhole(ctx, readyAtEnd); err != nil {
		s.Wrong = append(s.Wrong, fmt.Errorf("at the end: %w", err))
	}
	s.fault("I7, beside writers", w.unwritten(ctx))
	w.Plain.Halt()
	w.Waiting.Halt()
	s.Acknowledged, s.AcknowledgedWaiting = w.Plain.Acknowledged(), w.Waiting.Acknowledged()
	lost, err := w.Plain.LostKeys(ctx)
	s.Lost = len(lost)
	s.fault("read back what was written", err)
	s.fault("I3", w.uncharged(lost))
	lost, err = w.Waiting.LostKeys(ctx)
	s.LostWaiting = len(lost)
	s.fault("read back what was written", err)
	if len(lost) > 0 {
		s.Wrong = append(s.Wrong, fmt.Errorf("I3: at the end %d writes that a replica had acknowledged are lost: %w", len(lost), lost[0]))
	}
	s.fault("with nobody writing", w.inspect(ctx))
	s.fault("I7", w.unasked(ctx))
	looks, err := w.Observer.Stop()
	s.Looks = looks
	if err != nil {
		s.Wrong = append(s.Wrong, err)
	}
}

// uncharged is nil when every write that is lost at the end was lost when a fault was counted: one that was there then
// has been lost since, and no fault may cost what was written long before it.
func (w *World) uncharged(lost []witness.LostWriteError) error {
	late := slices.DeleteFunc(slices.Clone(lost), func(l witness.LostWriteError) bool { return w.charged[l.Key] })
	if len(late) == 0 {
		return nil
	}
	slices.SortFunc(late, func(x, y witness.LostWriteError) int { return x.At.Compare(y.At) })
	return fmt.Errorf("%d acknowledged writes are lost that were there after the fault that they were written in: %w, to %w",
		len(late), late[0], late[len(late)-1])
}

// inspect is nil when nothing is where it must not be: keys at a node that does not own their slot (I2), and passwords
// where somebody can read them (I8). It looks at too much to be asked ten times a second.
func (w *World) inspect(ctx context.Context) error {
	var errs []error
	if err := w.Cluster.Witness().StrayKeys(ctx); err != nil {
		errs = append(errs, fmt.Errorf("I2: %w", err))
	}
	if err := w.secret(ctx); err != nil {
		errs = append(errs, fmt.Errorf("I8: %w", err))
	}
	return errors.Join(errs...)
}

const (
	// settled is longer than the operator rests between two looks at a cluster with nothing to do: what it has not heard of,
	// as a host that is back with no pod on it, it has seen by then.
	settled   = 17 * time.Second
	idleFor   = 20 * time.Second
	idleBound = 3 * time.Minute
)

// unwritten is nil when a cluster with nothing to do is left alone beside its writers: nothing is written to Kubernetes
// (I7), whatever is written to Redis.
func (w *World) unwritten(ctx context.Context) error {
	log, err := w.newAudit(ctx)
	if err != nil {
		return err
	}
	// What came last has its echo.
	quiet := time.Now()
	err = await(ctx, idleBound, "the operator has nothing to write", func(ctx context.Context) error {
		written, failed := log.next()
		if len(written) > 0 {
			quiet = time.Now()
			return fmt.Errorf("%s", written[0])
		}
		if failed == nil && time.Since(quiet) < settled {
			failed = errors.New("not for long yet")
		}
		if failed == nil {
			failed = w.owed(ctx, time.Since(quiet))
		}
		return failed
	})
	if err != nil {
		return err
	}
	pause(ctx, idleFor) // the time itself is what is tested
	written, err := log.next()
	if err != nil {
		return err
	}
	return busy(written, nil, nil)
}

// owed is nil when no role is to go back to where it belongs any more: that comes two node-timeouts after the last one has
// changed hands.
func (w *World) owed(ctx context.Context, quiet time.Duration) error {
	rc, err := w.Cluster.Get(ctx)
	if err != nil {
		return err
	}
	if rc.Status.NodesPlacement != redisv1.PlacementOptimal && quiet < 2*nodeTimeout+settled {
		return fmt.Errorf("placement is to get better: %s", rc.Status.PlacementMessage)
	}
	return nil
}

// unasked is nil when nothing is written, and no Redis gets a command that writes either, once nobody else sends any (I7).
func (w *World) unasked(ctx context.Context) error {
	log, err := w.newAudit(ctx)
	if err != nil {
		return err
	}
	before, err := w.Cluster.Witness().Commands(ctx)
	if err != nil {
		return err
	}
	pause(ctx, idleFor) // the time itself is what is tested
	written, err := log.next()
	if err != nil {
		return err
	}
	after, err := w.Cluster.Witness().Commands(ctx)
	if err != nil {
		return err
	}
	return busy(written, before, after)
}

// busy is nil when nothing was written in the time that was watched, and redis got no command that writes.
func busy(written []entry, before, after map[string]int) error {
	if len(written) > 0 {
		return fmt.Errorf("%d writes in %s with nothing to do, the first: %s", len(written), idleFor, written[0])
	}
	for command, n := range after {
		if n > before[command] && !witness.ReadOnly(command) {
			return fmt.Errorf("redis got %q %d times in %s with nothing to do", command, n-before[command], idleFor)
		}
	}
	return nil
}

// secret is nil when no password is shown by any object but Secrets, by an event, by a log of any container that ran,
// also of those that are gone, or by a process (I8).
func (w *World) secret(ctx context.Context) error {
	passwords := map[string]string{}
	for _, user := range []string{"default", "operator", "redisnode", "replication", "mover"} {
		password, err := w.Cluster.Witness().Password(ctx, user)
		if err != nil {
			return err
		}
		if password != "" {
			passwords[user] = password
		}
	}
	look := shows(passwords)
	objects, err := w.Cluster.Run(ctx, framework.Tool("kubectl"), "get", "-n", w.Cluster.Namespace, "-o", "yaml",
		"redisclusters,pods,services,endpointslices,configmaps,serviceaccounts,poddisruptionbudgets,persistentvolumeclaims,events")
	if err != nil {
		return err
	}
	if err = look("an object or event", []byte(objects)); err != nil {
		return err
	}
	dir, err := w.RunDir(ctx)
	if err != nil {
		return err
	}
	if err = eachLog(dir, []string{w.Cluster.Namespace, framework.OperatorNamespace}, look); err != nil {
		return err
	}
	return w.eachProcess(ctx, look)
}

// eachProcess gives the arguments and the environment of what runs in the cluster's pods: the lab's nodes are of this
// machine.
func (w *World) eachProcess(ctx context.Context, look func(where string, text []byte) error) error {
	for _, s := range w.Observer.Last().Seen {
		for _, container := range []string{"redis", "redisnode"} {
			pids, err := w.running(ctx, w.Cluster.Namespace, s.Pod.Name, container)
			if err != nil {
				return err
			}
			for _, pid := range pids {
				for _, what := range []string{"cmdline", "environ"} {
					text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, what))
					if err != nil && !errors.Is(err, fs.ErrNotExist) {
						return err
					}
					if err := look(fmt.Sprintf("%s of %s in %s", what, container, s.Pod.Name), text); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// shows gives what finds a password, by its user.
func shows(passwords map[string]string) func(where string, text []byte) error {
	return func(where string, text []byte) error {
		for user, password := range passwords {
			if strings.Contains(string(text), password) {
				return fmt.Errorf("the password of user %s is in %s", user, where)
			}
		}
		return nil
	}
}

// eachLog gives what the containers of namespaces have written to their logs, as the lab's nodes keep it, and the logs of
// its control plane, of writes too.
func eachLog(dir string, namespaces []string, look func(where string, text []byte) error) error {
	found := false
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // rotated away meanwhile
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains(notLogs, entry.Name()):
			return fs.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		pods := strings.Contains(name, "/podlogs/") && slices.ContainsFunc(namespaces, func(ns string) bool {
			return strings.Contains(name, "/"+ns+"_")
		})
		if !pods && !strings.HasPrefix(name, "/logs/") {
			return nil
		}
		found = found || pods
		text, err := os.ReadFile(path) //nolint:gosec // the lab's own logs
		if err != nil {
			return err
		}
		return look(name, text)
	})
	if err == nil && !found {
		err = fmt.Errorf("there is no log of any container of %s below %s", strings.Join(namespaces, " and "), dir)
	}
	return err
}

// notLogs are directories of the lab that hold none, and much else.
var notLogs = []string{"containerd", "kubelet", "etcd", "pv", "pki", "images"}
