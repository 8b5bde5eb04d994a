package redis

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mediocregopher/radix/v4/resp"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

func TestMigrationsOf(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]migrations{
		"": noMigrations, "redis": noMigrations, "redis 7.0.15": noMigrations, "redis 8.0.2": noMigrations,
		"redis 8.3.9": noMigrations, "redis 8.4.0": byImport, "redis 8.6.3": byImport, "redis 8.10.0": byImport,
		"redis 9.0.0": byImport, "redis 10.1": byImport, "redis 8.4-rc1": byImport, "redis 8": noMigrations,
		"valkey 8.1.1": noMigrations, "valkey 9.0.0": byExport, "valkey 9.1.2": byExport, "valkey 10.0.0-rc2": byExport,
		"valkey 9": byExport, "valkey 9-rc1": byExport, "valkey x": noMigrations, "other 9.0.0": noMigrations,
		"redis 255.255.255": byImport, // a build of the development branch
	} {
		if got := migrationsOf(version); got != want {
			t.Errorf("%q: %v, want %v", version, got, want)
		}
	}
}

func TestAtomicPair(t *testing.T) {
	t.Parallel()
	versions := []string{"redis 7.0.15", "redis 8.0.2", "redis 8.4.0", "redis 8.6.3", "valkey 8.1.1", "valkey 9.0.1", "valkey 9.1.2", ""}
	want := map[string]bool{
		"redis 8.4.0>redis 8.4.0": true, "redis 8.4.0>redis 8.6.3": true, "redis 8.6.3>redis 8.4.0": true,
		"redis 8.6.3>redis 8.6.3": true, "valkey 9.0.1>valkey 9.0.1": true, "valkey 9.0.1>valkey 9.1.2": true,
		"valkey 9.1.2>valkey 9.0.1": true, "valkey 9.1.2>valkey 9.1.2": true,
	}
	for _, from := range versions {
		for _, to := range versions {
			pair := from + ">" + to
			if got := atomicPair(MoveEnd{Version: from}, MoveEnd{Version: to}); got != want[pair] {
				t.Errorf("%s: %v", pair, got)
			}
		}
	}
}

// captured reads an answer that a server once gave.
func captured(tb testing.TB, name string) reply {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "tasks", name+".resp"))
	if err != nil {
		tb.Fatal(err)
	}
	var r reply
	if err = r.UnmarshalRESP(bufio.NewReader(bytes.NewReader(data)), resp.NewOpts()); err != nil {
		tb.Fatal(err)
	}
	return r
}

// show is a task as a test wants to compare it.
func (t serverTask) show() string {
	var flags []string
	for _, f := range []struct {
		name string
		is   bool
	}{{"drives", t.drives}, {"alive", t.alive}, {"failed", t.failed}} {
		if f.is {
			flags = append(flags, f.name)
		}
	}
	return strings.TrimSpace(fmt.Sprintf("%.4s %.4s>%.4s %s [%s] %.30s",
		t.ID, t.Source, t.Target, t.Slots, strings.Join(flags, " "), t.words))
}

func TestParseTasks(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"valkey-9.1-source": {
			"6043 b7c5>c0ad 2000-2500 [drives alive]", // snapshotting
			"8f88 b7c5>c596 3000-3800 [drives alive]", // waiting for it
			"536d b7c5>c0ad 0-100,300-400,402 [drives]",
		},
		"valkey-9.1-target": {"6043 b7c5>c0ad 2000-2500 [alive]", "536d b7c5>c0ad 0-100,300-400,402 []"},
		"valkey-9.1-cancelled": {
			"6043 b7c5>c0ad 2000-2500 [drives failed] cancelled",
			"8f88 b7c5>c596 3000-3800 [drives failed] cancelled",
			"536d b7c5>c0ad 0-100,300-400,402 [drives]",
		},
		"valkey-9.1-lost": { // the target was killed
			"daa6 b7c5>c0ad 2000-2500 [drives failed] Connection lost to target. Che",
			"6043 b7c5>c0ad 2000-2500 [drives failed] cancelled",
			"8f88 b7c5>c596 3000-3800 [drives failed] cancelled",
			"536d b7c5>c0ad 0-100,300-400,402 [drives]",
		},
		"redis-8.6-source": {"b8ac 9c45>a97c 2000-2500 [alive]", "dc5d 9c45>a97c 0-100,300-400,402 []"},
		"redis-8.6-target": {"b8ac 9c45>a97c 2000-2500 [drives alive]", "dc5d 9c45>a97c 0-100,300-400,402 [drives]"},
		// The source is at work for another, and the target will ask again.
		"redis-8.6-busy": {"4d5a 9c45>bbd6 2800-2900 [drives alive failed] Main channel - Failed to sync"},
		"redis-8.6-cancelled": {
			"b8ac 9c45>a97c 2000-2500 [drives failed] Cancelled due to user request",
			"dc5d 9c45>a97c 0-100,300-400,402 [drives]",
		},
		"redis-8.6-lost": { // the source was killed a moment ago: its child goes on sending
			"5ea7 9c45>a97c 2000-2500 [drives alive]",
			"b8ac 9c45>a97c 2000-2500 [drives failed] Cancelled due to user request",
			"dc5d 9c45>a97c 0-100,300-400,402 [drives]",
		},
	} {
		kind := byImport
		if strings.HasPrefix(name, "valkey") {
			kind = byExport
		}
		var got []string
		for _, task := range kind.parseTasks(captured(t, name)) {
			if len(task.ID) != 40 || len(task.Source) != 40 || len(task.Target) != 40 {
				t.Errorf("%s: %+v", name, task)
			}
			got = append(got, task.show())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// TestParseTasks_Unknown has what a new version might say: it is left out, and nothing else is.
func TestParseTasks_Unknown(t *testing.T) {
	t.Parallel()
	id, a, b := strings.Repeat("1", 40), strings.Repeat("a", 40), strings.Repeat("b", 40)
	good := reply{list: []string{"id", id, "slots", "5-5 7", "source", a, "dest", b, "operation", "import", "state", "new-state", "new", "x"}}
	for _, bad := range []reply{
		{},
		{list: []string{"id"}},
		{list: []string{"id", id, "slots", "5-5", "source", a}},
		{list: []string{"id", id, "slots", "x-y", "source", a, "dest", b}},
		{list: []string{"id", id, "slots", "0-99999", "source", a, "dest", b}},
		{list: []string{"slots", "5", "source", a, "dest", b}},
		{list: []string{"id", id, "slots", "", "source", a, "dest", b}},
	} {
		tasks := byImport.parseTasks(reply{lists: []reply{bad, good, bad}})
		if len(tasks) != 1 || tasks[0].show() != "1111 aaaa>bbbb 5,7 [drives alive]" {
			t.Errorf("%v: got %+v", bad, tasks)
		}
	}
}

func TestTaskError(t *testing.T) {
	t.Parallel()
	ep := Endpoint{Addr: "10.0.0.1:6379"}
	task := cluster.SlotTask{ID: "1", Source: "aaaaaaaaaa", Target: "bbbbbbbbbb", Slots: cluster.NewSlotSet(cluster.SlotRange{First: 5, Last: 9})}
	kinds := []error{
		ErrTargetRefuses, ErrTargetFull, ErrNoPermission, ErrAuth, ErrTaskCancelled, ErrNotOwner, ErrNotPrimary, ErrUnknownNode,
		ErrNotReachable,
	}
	for words, want := range map[string][]error{
		"Ran out of memory (OOM) during slot import": {ErrTargetRefuses, ErrTargetFull},
		"Received error during handshake to target: -NOPERM User replication has no permissions to run the 'cluster|syncslots' command\r\n": {ErrNoPermission},
		"Failed to AUTH to target node: -WRONGPASS invalid username-password pair or user is disabled.":                                     {ErrAuth},
		"Unable to connect to target node: Connection refused":                                                                              {ErrNotReachable},
		"Connection lost to target. Check CLUSTER GETSLOTMIGRATIONS on the target node for more information.":                               {ErrNotReachable},
		"Timed out after too long with no interaction":                                                                                      {ErrNotReachable},
		"Slots are no longer owned by myself":                                                                                               {ErrNotOwner},
		"Slot migration can only be used on primary nodes.":                                                                                 {ErrNotPrimary},
		"cancelled": {ErrTaskCancelled},
		"Cancelled due to user request (state: accumulate-buffer, rdb...)": {ErrTaskCancelled},
		"slot migration not allowed on replica.":                           {ErrNotPrimary},
		"Unknown node name: x":                                             {ErrUnknownNode},
		"A failover occurred during slot import":                           nil,
		"":                                                                 nil,
	} {
		err := newTaskError(task, ep, words)
		for _, kind := range kinds {
			if errors.Is(err, kind) != slices.Contains(want, kind) {
				t.Errorf("%q: is %v: %v", words, kind, errors.Is(err, kind))
			}
		}
		if text := err.Error(); !strings.HasPrefix(text, "migrate 5 slots from aaaaaaaa to bbbbbbbb: 10.0.0.1:6379 says: ") ||
			!strings.Contains(text, strings.TrimSpace(words)) {
			t.Errorf("%q: %s", words, text)
		}
	}
	if err := newTaskError(task, ep, strings.Repeat("x", 1e5)); len(err.Error()) > 500 {
		t.Errorf("%d bytes", len(err.Error()))
	}
}
