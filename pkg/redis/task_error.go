package redis

import (
	"errors"
	"fmt"
	"strings"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// ErrTaskCancelled says that somebody has ended a migration.
var ErrTaskCancelled = errors.New("cancelled")

// TaskError is a migration of whole slots that did not succeed. The slots are still with their source. It matches the
// sentinel that the words mean, if any.
type TaskError struct {
	Task  cluster.SlotTask
	Addr  string // of the server
	Words string // its own

	kinds []error
}

// Error names the nodes, and says the server's words.
func (e *TaskError) Error() string {
	return fmt.Sprintf("migrate %d slots from %s to %s: %s says: %s",
		e.Task.Slots.Len(), e.Task.Source.Short(), e.Task.Target.Short(), e.Addr, e.Words)
}

// Unwrap is what the words mean.
func (e *TaskError) Unwrap() []error { return e.kinds }

// taskMeanings are words that servers have for why a migration failed. The first that fit count: what follows may only
// be what came of it.
var taskMeanings = []struct {
	words string
	kinds []error
}{
	{"out of memory", []error{ErrTargetRefuses, ErrTargetFull}},
	{"oom", []error{ErrTargetRefuses, ErrTargetFull}},
	{"maxmemory", []error{ErrTargetRefuses, ErrTargetFull}},
	{"noperm", []error{ErrNoPermission}},
	{"no permission", []error{ErrNoPermission}},
	{"wrongpass", []error{ErrAuth}},
	{"noauth", []error{ErrAuth}},
	{"auth", []error{ErrAuth}},
	{"cancelled", []error{ErrTaskCancelled}},
	{"no longer owned", []error{ErrNotOwner}},
	{"not the owner", []error{ErrNotOwner}},
	{"not served by this node", []error{ErrNotOwner}},
	{"belong to different", []error{ErrNotOwner}},
	{"span multiple shards", []error{ErrNotOwner}},
	{"not a primary", []error{ErrNotPrimary}},
	{"on replica", []error{ErrNotPrimary}},
	{"only be used on primary", []error{ErrNotPrimary}},
	{"unknown node", []error{ErrUnknownNode}},
	{"connect", []error{ErrNotReachable}},
	{"timed out", []error{ErrNotReachable}},
	{"did not respond", []error{ErrNotReachable}},
	{"channel", []error{ErrNotReachable}},
}

// longestWords bounds what is kept of a server's words.
const longestWords = 300

func newTaskError(task cluster.SlotTask, ep Endpoint, words string) *TaskError {
	words = strings.TrimSpace(words)
	if words == "" {
		words = "nothing"
	}
	e := &TaskError{Task: task, Addr: ep.Addr, Words: words[:min(len(words), longestWords)]}
	plain := plainWords.Replace(strings.ToLower(words))
	for _, m := range taskMeanings {
		if strings.Contains(plain, m.words) {
			e.kinds = m.kinds
			break
		}
	}
	return e
}
