package plan_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const longestRule = 40

// sources is the package's files, less the tests.
func sources(t *testing.T) (*token.FileSet, []*ast.File) {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return set, files
}

// ruleNames is the list in plan.go.
func ruleNames(files []*ast.File) []string {
	var names []string
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || spec.Names[0].Name != "rules" {
				return true
			}
			for _, e := range spec.Values[0].(*ast.CompositeLit).Elts {
				names = append(names, e.(*ast.Ident).Name)
			}
			return false
		})
	}
	return names
}

func TestRules_StateTheirInvariant(t *testing.T) {
	t.Parallel()
	set, files := sources(t)
	names := ruleNames(files)
	if len(names) < 15 {
		t.Fatalf("only %d rules are found", len(names))
	}
	for _, file := range files {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !slices.Contains(names, f.Name.Name) {
				continue
			}
			if !strings.HasPrefix(f.Doc.Text(), f.Name.Name+" ") || !strings.Contains(f.Doc.Text(), "\nInvariant: ") {
				t.Errorf("%s does not say what it does and which invariant it protects", f.Name.Name)
			}
			if n := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1; n > longestRule {
				t.Errorf("%s has %d lines", f.Name.Name, n)
			}
			names = slices.DeleteFunc(names, func(name string) bool { return name == f.Name.Name })
		}
	}
	if len(names) > 0 {
		t.Errorf("no functions %v", names)
	}
}

func TestReasons_AreExplainedAndSayTheirName(t *testing.T) {
	t.Parallel()
	_, files := sources(t)
	found := 0
	for _, file := range files {
		if file.Name.Name != "plan" {
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || !spec.Names[0].IsExported() {
				return true
			}
			literal, ok := spec.Values[0].(*ast.BasicLit)
			if !ok {
				return true // no reason
			}
			name := spec.Names[0].Name
			found++
			if literal.Value != `"`+name+`"` {
				t.Errorf("%s is %s", name, literal.Value)
			}
			if !strings.HasPrefix(spec.Doc.Text(), name+" means that ") {
				t.Errorf("%s is not explained", name)
			}
			return true
		})
	}
	if found < 15 {
		t.Errorf("only %d reasons are found", found)
	}
}
