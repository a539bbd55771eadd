package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// maxLines is where a file asks to be split.
const maxLines = 600

// goFiles are all of the module that people write, as paths from here.
func goFiles(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, dir := range folders(t) {
		paths, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if !strings.HasSuffix(path, "_templ.go") {
				found = append(found, path)
			}
		}
	}
	if len(found) < 100 {
		t.Fatalf("only %d files were found", len(found))
	}
	return found
}

func parse(t *testing.T, path string) (*token.FileSet, *ast.File) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return set, file
}

func TestEveryPackageIsIntroduced(t *testing.T) {
	introduced := map[string]bool{}
	for _, path := range goFiles(t) {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		_, file := parse(t, path)
		dir := filepath.Dir(path)
		begins := "Package " + file.Name.Name + " "
		if file.Name.Name == "main" {
			begins = "Command " + filepath.Base(dir) + " "
		}
		introduced[dir] = introduced[dir] || strings.HasPrefix(file.Doc.Text(), begins)
	}
	for dir, ok := range introduced {
		if !ok {
			t.Errorf("%s has no package comment, or one that does not begin with the name", dir)
		}
	}
}

func TestEverythingExportedIsDocumented(t *testing.T) {
	for _, path := range goFiles(t) {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		set, file := parse(t, path)
		for _, name := range undocumented(file) {
			t.Errorf("%s: %s has no doc comment", set.Position(name.Pos()), name.Name)
		}
	}
}

// undocumented lists the exported names that a file declares without a comment.
func undocumented(file *ast.File) (names []*ast.Ident) {
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) && !spokenFor[d.Name.Name] {
				names = append(names, d.Name)
			}
		case *ast.GenDecl:
			if d.Doc == nil {
				names = append(names, undocumentedSpecs(d)...)
			}
		}
	}
	return names
}

// undocumentedSpecs looks at a declaration without a comment for all of it.
func undocumentedSpecs(d *ast.GenDecl) (names []*ast.Ident) {
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Doc == nil && s.Comment == nil && s.Name.IsExported() {
				names = append(names, s.Name)
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if s.Doc == nil && s.Comment == nil && name.IsExported() {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// spokenFor are methods whose meaning is given by interfaces of the standard library.
var spokenFor = map[string]bool{"Error": true, "Is": true, "String": true, "Unwrap": true,
	"Len": true, "Less": true, "Swap": true, "Push": true, "Pop": true}

// exportedReceiver is true also for a function without a receiver.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	kind := d.Recv.List[0].Type
	if pointer, ok := kind.(*ast.StarExpr); ok {
		kind = pointer.X
	}
	if generic, ok := kind.(*ast.IndexExpr); ok {
		kind = generic.X
	}
	name, ok := kind.(*ast.Ident)
	return ok && name.IsExported()
}

func TestNoFileIsTooLong(t *testing.T) {
	for _, path := range goFiles(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n > maxLines {
			t.Errorf("%s has %d lines, want at most %d", path, n, maxLines)
		}
	}
}
