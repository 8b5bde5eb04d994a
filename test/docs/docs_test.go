package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

const root = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parse(t *testing.T, path string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, path), nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// rows are the cells of the table under a heading, without its titles.
func rows(t *testing.T, text, heading string) [][]string {
	t.Helper()
	_, section, found := strings.Cut(text, "\n## "+heading+"\n")
	if !found {
		t.Fatalf("there is no heading %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var out [][]string
	for line := range strings.SplitSeq(section, "\n") {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		out = append(out, cells)
	}
	if len(out) < 3 {
		t.Fatalf("there is no table under %q", heading)
	}
	return out[2:]
}

// reason is a constant and what its comment says of it.
type reason struct{ value, meaning string }

// reasons are the string constants of a file whose comments read "Name means that …" or "Name says that …".
func reasons(t *testing.T, path string) []reason {
	t.Helper()
	says := regexp.MustCompile(`^\w+ (?:means|says) that (.*)$`)
	var found []reason
	for _, decl := range parse(t, path).Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.CONST {
			continue
		}
		for _, spec := range gen.Specs {
			constant, ok := spec.(*ast.ValueSpec)
			if !ok || strings.HasPrefix(constant.Names[0].Name, "Condition") {
				continue
			}
			comment := strings.Join(strings.Fields(constant.Doc.Text()), " ")
			match := says.FindStringSubmatch(comment)
			if match == nil {
				t.Errorf("%s: the comment of %s must say what it means that or says that: %q",
					path, constant.Names[0], comment)
				continue
			}
			found = append(found, reason{stringValue(t, constant), capitalized(match[1])})
		}
	}
	return found
}

func stringValue(t *testing.T, constant *ast.ValueSpec) string {
	t.Helper()
	literal, ok := constant.Values[0].(*ast.BasicLit)
	if !ok {
		t.Fatalf("%s is not a literal", constant.Names[0])
	}
	value, err := strconv.Unquote(literal.Value)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func capitalized(text string) string {
	r := []rune(text)
	r[0] = unicode.ToUpper(r[0])
	return string(r)
}

func TestStatusConditionsHasEveryReason(t *testing.T) {
	t.Parallel()
	text := read(t, "docs/status-conditions.md")
	for heading, path := range map[string]string{
		"Reasons of decisions":                    "pkg/cluster/plan/reasons.go",
		"Reasons of what was seen, and of errors": "pkg/apis/redis/v1/conditions.go",
	} {
		want := reasons(t, path)
		if len(want) == 0 {
			t.Errorf("%s has no reasons", path)
		}
		var got []reason
		for _, cells := range rows(t, text, heading) {
			got = append(got, reason{cells[0], cells[len(cells)-1]})
		}
		for _, r := range want {
			if !slices.Contains(got, r) {
				t.Errorf("docs/status-conditions.md, %q, lacks the row\n| %s | … | %s |", heading, r.value, r.meaning)
			}
		}
		for _, r := range got {
			if !slices.Contains(want, r) {
				t.Errorf("docs/status-conditions.md, %q, has %s, which is not in %s so", heading, r.value, path)
			}
		}
	}
}

// rules are the names in the list of plan.go, in its order.
func rules(t *testing.T) []string {
	t.Helper()
	var list *ast.CompositeLit
	ast.Inspect(parse(t, "pkg/cluster/plan/plan.go"), func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && spec.Names[0].Name == "rules" {
			list, _ = spec.Values[0].(*ast.CompositeLit)
		}
		return list == nil
	})
	if list == nil {
		t.Fatal("plan.go has no list of rules")
	}
	var names []string
	for _, e := range list.Elts {
		name, ok := e.(*ast.Ident)
		if !ok {
			t.Fatalf("a rule is not a name: %T", e)
		}
		names = append(names, name.Name)
	}
	return names
}

func TestArchitectureHasTheRulesInOrder(t *testing.T) {
	t.Parallel()
	var got []string
	for _, cells := range rows(t, read(t, "docs/architecture.md"), "The rules") {
		name := strings.Trim(cells[0], "`")
		got = append(got, name)
		file := "pkg/cluster/plan/" + strings.Trim(cells[1], "`")
		if !strings.Contains(read(t, file), "\nfunc "+name+"(") {
			t.Errorf("%s is not in %s", name, file)
		}
	}
	if want := rules(t); !slices.Equal(got, want) {
		t.Errorf("docs/architecture.md has the rules\n%q\nplan.go has\n%q", got, want)
	}
}

// The walk names files; who moves one moves it there too.
func TestArchitectureNamesFilesThatExist(t *testing.T) {
	t.Parallel()
	path := regexp.MustCompile("`((?:pkg|cmd|test|charts|hack)/[A-Za-z0-9_./-]+)`")
	for _, document := range documents(t) {
		for _, match := range path.FindAllStringSubmatch(read(t, document), -1) {
			if _, err := os.Stat(filepath.Join(root, match[1])); err != nil {
				t.Errorf("%s names %s, which is not there", document, match[1])
			}
		}
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)]*)?\)`)
	for _, document := range documents(t) {
		for _, match := range link.FindAllStringSubmatch(read(t, document), -1) {
			if strings.Contains(match[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(document), match[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", document, match[1])
			}
		}
	}
}

// What the end-to-end tests run of a guide are the blocks marked sh (test/e2e/guides_test.go): no command may be in another.
func TestGuidesAreRun(t *testing.T) {
	t.Parallel()
	guides, err := filepath.Glob(filepath.Join(root, "docs/guides/*.md"))
	if err != nil || len(guides) < 5 {
		t.Fatalf("guides: %q, %v", guides, err)
	}
	fence, command := regexp.MustCompile("^\\s*```(.*)$"), regexp.MustCompile(`^\s*(\$ )?(kubectl|helm|redis-cli|make) `)
	for _, guide := range guides {
		block, inside, run := "", false, 0
		for i, line := range strings.Split(read(t, "docs/guides/"+filepath.Base(guide)), "\n") {
			switch mark := fence.FindStringSubmatch(line); {
			case mark != nil:
				inside, block = !inside, mark[1]
			case !inside || !command.MatchString(line):
			case block == "sh":
				run++
			default:
				t.Errorf("%s:%d: a block marked %q is not run: %s", guide, i+1, block, line)
			}
		}
		if run == 0 {
			t.Errorf("%s has no command that is run", guide)
		}
	}
}

func TestEveryDecisionIsListed(t *testing.T) {
	t.Parallel()
	index := read(t, "docs/decisions/README.md")
	files, err := filepath.Glob(filepath.Join(root, "docs/decisions/[0-9]*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no decisions: %v", err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		if !strings.Contains(index, "("+name+")") {
			t.Errorf("docs/decisions/README.md does not list %s", name)
		}
		text := read(t, "docs/decisions/"+name)
		for _, heading := range []string{"# " + name[:4] + " ", "\n## Context\n", "\n## Decision\n", "\n## Consequences\n"} {
			if !strings.Contains(text, heading) {
				t.Errorf("%s has no %q", name, strings.TrimSpace(heading))
			}
		}
	}
}

// documents are the Markdown files of the repository.
func documents(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "bin" || name == "dist") {
			return fs.SkipDir
		}
		if strings.HasSuffix(name, ".md") {
			relative, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			found = append(found, relative)
		}
		return nil
	})
	if err != nil || len(found) < 5 {
		t.Fatalf("documents: %d, %v", len(found), err)
	}
	return found
}

// needsPerson says whether a row of docs/status-conditions.md is of a reason that a person may have to act on: one that
// makes a cluster Degraded, or not Ready, or for which nothing goes on although not everything is as the spec says.
func needsPerson(titles, cells []string) bool {
	for i, title := range titles {
		switch {
		case title == "Degraded" && cells[i] == "True", title == "Ready" && (cells[i] == "False" || cells[i] == "Unknown"),
			title == "Progressing" && cells[i] == "False" && cells[0] != "Converged" && cells[0] != "Healthy":
			return true
		}
	}
	return slices.Contains(alsoMet, cells[0])
}

// alsoMet are reasons that a person meets while something goes on: what is lost, what waits for more than time.
var alsoMet = []string{"DataLost", "WaitingToHibernate", "SlotsNotMeasured"}

func TestEveryReasonToActHasARunbook(t *testing.T) {
	t.Parallel()
	text := read(t, "docs/status-conditions.md")
	index := read(t, "docs/runbooks/README.md")
	reasons := map[string]bool{} // and whether a page is a must
	for heading, titles := range map[string][]string{
		"Reasons of decisions":                    {"reason", "Progressing", "Degraded"},
		"Reasons of what was seen, and of errors": {"reason", "Ready", "Progressing", "Degraded"},
	} {
		for _, cells := range rows(t, text, heading) {
			reasons[cells[0]] = reasons[cells[0]] || needsPerson(titles, cells)
		}
	}
	for reason, must := range reasons {
		if must && !strings.Contains(index, "["+reason+"]("+reason+".md)") {
			t.Errorf("docs/runbooks/README.md does not list %s, which a person may have to act on", reason)
		}
	}
	pages, err := filepath.Glob(filepath.Join(root, "docs/runbooks/[A-Z]*.md"))
	if err != nil || len(pages) < 2 {
		t.Fatalf("no runbooks: %v", err)
	}
	for _, page := range pages {
		name := strings.TrimSuffix(filepath.Base(page), ".md")
		if name == "README" {
			continue
		}
		if _, known := reasons[name]; !known {
			t.Errorf("docs/runbooks/%s.md is of no reason that docs/status-conditions.md lists", name)
		}
		runbook := read(t, "docs/runbooks/"+name+".md")
		for _, heading := range []string{
			"# " + name + "\n", "\n## What it means\n", "\n## What was tried already\n", "\n## How to look\n",
			"\n## What to do\n", "\n## What not to do\n",
		} {
			if !strings.Contains(runbook, heading) {
				t.Errorf("docs/runbooks/%s.md has no %q", name, strings.TrimSpace(heading))
			}
		}
	}
}
