package redisnode

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

func TestJudgeFormer(t *testing.T) {
	t.Parallel()
	const idD = "dddddddddddddddddddddddddddddddddddddddd"
	knows := func(id string, served bool, ids ...string) agent.Nodes {
		return agent.Nodes{NodeID: id, Served: served, IDs: append(ids, id)}
	}
	for name, tc := range map[string]struct {
		answers []agent.Nodes
		former  bool
		waits   string
	}{
		"nobody answers":                     {},
		"all have forgotten it":              {answers: []agent.Nodes{knows(idB, true, idC), knows(idC, true, idB)}, former: true},
		"one lists it":                       {answers: []agent.Nodes{knows(idB, true, idC), knows(idC, true, idB, idA)}},
		"one that is alone lists it":         {answers: []agent.Nodes{knows(idB, true), knows(idC, false, idA)}},
		"one that is alone does not count":   {answers: []agent.Nodes{knows(idB, true), knows(idC, false)}, former: true},
		"slots are missing":                  {answers: []agent.Nodes{knows(idB, false, idC), knows(idC, false, idB)}},
		"one that others list is silent":     {answers: []agent.Nodes{knows(idB, true, idC)}, waits: "cannot be asked: cccccccc"},
		"several are silent":                 {answers: []agent.Nodes{knows(idB, true, idC, idD), knows(idC, true, idB, idD)}, waits: "dddddddd"},
		"silent, but another still lists it": {answers: []agent.Nodes{knows(idB, true, idC, idA)}},
	} {
		former, err := judgeFormer(idA, tc.answers)
		if former != tc.former || (err != nil) != (tc.waits != "") || err != nil && !strings.Contains(err.Error(), tc.waits) {
			t.Errorf("%s: %v, %v", name, former, err)
		}
	}
}

// oldFiles is a data directory of a former life, and what somebody else has put there.
func oldFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		nodesFile: "old", "dump.rdb": "rdb", "appendonlydir/appendonly.aof.1.base.rdb": "base", "temp-17.rdb": "half",
		"redisnode.json": "{}", "notes.txt": "mine",
	} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}

// files are all files below a directory, with what is in them.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		found[name] = string(text)
		return err
	}))
	return found
}

func formerGate(t *testing.T, dir string) *gate {
	t.Helper()
	record, err := loadState(dir, "")
	must(t, err)
	return &gate{opts: &Options{DataDir: dir}, state: record}
}

var wantFormer = map[string]string{
	"former/nodes.conf": "old", "former/dump.rdb": "rdb", "former/appendonlydir/appendonly.aof.1.base.rdb": "base",
	"former/temp-17.rdb": "half", "redisnode.json": "{}", "notes.txt": "mine",
}

func TestPutAside(t *testing.T) {
	t.Parallel()
	dir := oldFiles(t)
	must(t, os.MkdirAll(filepath.Join(dir, formerDir), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, formerDir, "dump.rdb"), []byte("older"), 0o600))
	g := formerGate(t, dir)
	must(t, g.putAside(onDisk, idA))
	if got := files(t, dir); fmt.Sprint(got) != fmt.Sprint(wantFormer) {
		t.Errorf("got %v", got)
	}
	if notice := g.read().notice; !strings.Contains(notice, "aaaaaaaa") || !strings.Contains(notice, "former") {
		t.Errorf("notice %q", notice)
	}
	must(t, g.keepFormer())
	if got := files(t, dir); fmt.Sprint(got) != fmt.Sprint(wantFormer) {
		t.Errorf("after another start %v", got)
	}
}

// Whoever is killed while it puts things aside begins again, or ends what it began; nothing is lost, and redis does not
// start on half of it.
func TestPutAside_CutShort(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(dir string) error{
		"nothing but the directory": func(dir string) error { return os.Mkdir(filepath.Join(dir, formerPart), 0o700) },
		"some files have gone": func(dir string) error {
			if err := os.Mkdir(filepath.Join(dir, formerPart), 0o700); err != nil {
				return err
			}
			return os.Rename(filepath.Join(dir, "dump.rdb"), filepath.Join(dir, formerPart, "dump.rdb"))
		},
		"the former former is aside": func(dir string) error {
			return os.Mkdir(filepath.Join(dir, formerOld), 0o700)
		},
	} {
		dir := oldFiles(t)
		must(t, cut(dir))
		g := formerGate(t, dir)
		must(t, g.keepFormer()) // another start: nodes.conf is there, so nothing is done yet
		if _, err := os.Stat(filepath.Join(dir, formerDir)); err == nil {
			t.Errorf("%s: half of it is taken for all", name)
		}
		must(t, g.putAside(onDisk, idA))
		if got := files(t, dir); fmt.Sprint(got) != fmt.Sprint(wantFormer) {
			t.Errorf("%s: got %v", name, got)
		}
	}
	// All files have gone, and only the name is missing.
	dir := oldFiles(t)
	must(t, os.Mkdir(filepath.Join(dir, formerPart), 0o700))
	for _, file := range []string{"dump.rdb", "appendonlydir", "temp-17.rdb", nodesFile} {
		must(t, os.Rename(filepath.Join(dir, file), filepath.Join(dir, formerPart, file)))
	}
	must(t, formerGate(t, dir).keepFormer())
	if got := files(t, dir); fmt.Sprint(got) != fmt.Sprint(wantFormer) {
		t.Errorf("got %v", got)
	}
}

// A file of the same name that an attempt before has put aside stays.
func TestPutAside_Twice(t *testing.T) {
	t.Parallel()
	dir := oldFiles(t)
	must(t, os.MkdirAll(filepath.Join(dir, formerPart), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, formerPart, "dump.rdb"), []byte("first"), 0o600))
	must(t, formerGate(t, dir).putAside(onDisk, idA))
	got := files(t, dir)
	if got["former/dump.rdb"] != "first" || got["former/dump.rdb.1"] != "rdb" {
		t.Errorf("got %v", got)
	}
}

// forgetNode takes a node out of the tables of all pods, each once gossip has told it of the node.
func forgetNode(t *testing.T, pods []*testPod, id string) {
	t.Helper()
	for _, p := range pods {
		eventually(t, p.name+" has heard of it", func() (bool, string) {
			nodes, err := p.w.agents.Nodes(t.Context(), p.ip)
			return err == nil && slices.Contains(nodes.IDs, id), fmt.Sprint(nodes, err)
		})
		if got := p.operator("CLUSTER", "FORGET", id); got != "OK" {
			t.Fatalf("%s: forget: %s", p.name, got)
		}
		eventually(t, p.name+" has forgotten it", func() (bool, string) {
			nodes, err := p.w.agents.Nodes(t.Context(), p.ip)
			return err == nil && nodes.NodeID != "" && !slices.Contains(nodes.IDs, id), fmt.Sprint(nodes, err)
		})
	}
}

// A scale-in has drained and forgotten a node, its volume was kept, and a scale-out makes its pod again: it begins anew,
// and what was on the volume is put aside. Otherwise keys that were deleted since would come back.
func TestFormerLife(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	keep(t, pods[0])
	gone := pods[3] // it follows the first, and has a copy
	id, dir := gone.status().NodeID, gone.dataDir
	gone.remove()
	rest := slices.Delete(slices.Clone(pods), 3, 4)
	forgetNode(t, rest, id)
	back := w.place(3, dir)
	s := back.awaitStatus("it runs", running)
	if s.NodeID == id {
		t.Error("it came back as who it was")
	}
	if !strings.Contains(s.Notice, formerDir) || !strings.Contains(s.Notice, cluster.NodeID(id).Short()) {
		t.Errorf("notice %q", s.Notice)
	}
	if got := back.info(); got == nil || got.Keys != 0 || len(got.Self().Open) > 0 {
		t.Errorf("it has %+v", got)
	}
	if text := readString(t, filepath.Join(dir, formerDir, nodesFile)); !strings.Contains(text, id) {
		t.Errorf("former nodes.conf:\n%s", text)
	}
	if _, err := os.Stat(filepath.Join(dir, formerDir, "appendonlydir")); err != nil {
		t.Error(err)
	}
	// It is one of the cluster again, as somebody else.
	eventually(t, "it follows", func() (bool, string) {
		err := w.redis.Replicate(t.Context(), back.endpoint(), cluster.NodeID(pods[0].status().NodeID))
		return err == nil, fmt.Sprint(err)
	})
	w.awaitWhole(append(rest, back))
}

// As long as one node still lists it, it is who it was. Later servers tell each other whom to forget.
func TestFormerLife_OneStillKnowsIt(t *testing.T) {
	useEngine(t, "redis 7.0")
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	gone := pods[3]
	id, dir := gone.status().NodeID, gone.dataDir
	gone.remove()
	rest := slices.Delete(slices.Clone(pods), 3, 4)
	forgetNode(t, rest[1:], id)
	back := w.place(3, dir)
	if s := back.awaitStatus("it runs", running); s.NodeID != id || s.Notice != "" {
		t.Errorf("it came back as %s: %q", s.NodeID, s.Notice)
	}
	if _, err := os.Stat(filepath.Join(dir, formerDir)); err == nil {
		t.Error("its data were put aside")
	}
}

// While a node of the cluster cannot be asked, it waits: who is silent may be the one that knows it.
func TestFormerLife_OneCannotBeAsked(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	gone, silent := pods[3], pods[4]
	id, dir := gone.status().NodeID, gone.dataDir
	gone.remove()
	rest := slices.Delete(slices.Clone(pods), 3, 4)
	forgetNode(t, rest, id)
	silentID, silentDir := silent.status().NodeID, silent.dataDir
	silent.lose()
	back := w.place(3, dir)
	back.awaitStatus("it waits", func(s agent.Status) bool {
		return s.Phase == agent.PhaseGate && strings.Contains(s.Waiting, cluster.NodeID(silentID).Short())
	})
	w.place(4, silentDir)
	if s := back.awaitStatus("it runs", running); s.NodeID == id {
		t.Error("it came back as who it was")
	}
}
