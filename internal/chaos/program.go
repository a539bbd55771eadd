package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed testdata/child.go
var childSource []byte

// buildChild makes the program of the services in dir.
func buildChild(dir string) (string, error) {
	program := filepath.Join(dir, "child")
	if err := os.WriteFile(program+".go", childSource, 0o644); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", program, program+".go")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program of the services: %w: %s", err, out)
	}
	return program, os.Chmod(program, 0o755)
}
