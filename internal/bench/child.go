package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

var (
	//go:embed testdata/child.c
	childInC []byte
	//go:embed testdata/child.go
	childInGo []byte
)

// buildChild makes the program of the services in dir: of C when there is a compiler, because thousands of them
// have to fit into memory, and of Go otherwise.
func buildChild(dir string) (string, error) {
	program := filepath.Join(dir, "child")
	source, build := program+".c", []string{"cc", "-O2", "-static", "-s", "-o", program, program + ".c"}
	code := childInC
	if _, err := exec.LookPath("cc"); err != nil {
		source, build = program+".go", []string{"go", "build", "-o", program, program + ".go"}
		code = childInGo
	}
	if err := os.WriteFile(source, code, 0o644); err != nil {
		return "", err
	}
	cmd := exec.Command(build[0], build[1:]...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program of the services: %w: %s", err, out)
	}
	return program, os.Chmod(program, 0o755)
}
