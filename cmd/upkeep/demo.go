package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"path/filepath"

	"upkeep/internal/panel"
)

// demoName is the account that --demo makes.
const demoName = "demo"

//go:embed demo/*
var demoFiles embed.FS

// demoFolder is where the example programs lie in the account's home.
const demoFolder = "examples"

// demoServices are real programs that need nothing but what every Debian has.
func demoServices(port int) []panel.Service {
	return []panel.Service{
		{Definition: panel.Definition{Name: "ticker", Command: "sh ticker.sh",
			Annotation: "Prints a line every few seconds"}, Wanted: panel.WantedOn},
		{Definition: panel.Definition{Name: "hello-web", Command: "perl hello.pl", Port: port,
			Annotation: "Answers HTTP on its port"}, Wanted: panel.WantedOn},
		{Definition: panel.Definition{Name: "flaky-worker", Command: "sh flaky.sh",
			Annotation: "Crashes now and then, to show what happens"}, Wanted: panel.WantedOn},
		{Definition: panel.Definition{Name: "old-bot", Command: "sh ticker.sh", Environment: "GREETING=\"good morning\"\n",
			Annotation: "Paused"}, Wanted: panel.WantedPaused},
	}
}

// makeDemo makes the account and its services on the first start; later starts find it there.
func (srv *server) makeDemo(ctx context.Context) error {
	accounts, err := srv.store.Accounts(ctx)
	if err != nil || len(accounts) > 0 {
		return err
	}
	acct, err := createAccount(ctx, srv.store, srv.settings.Homes, demoName, "")
	if err != nil {
		return err
	}
	if err := asUser(acct, func() error { return writeDemoFiles(acct.Home) }); err != nil {
		return fmt.Errorf("write the example programs: %w", err)
	}
	port, err := srv.control.FreePort(ctx)
	if err != nil {
		return err
	}
	for _, svc := range demoServices(port) {
		svc.Directory = demoFolder
		paused := svc.Wanted == panel.WantedPaused
		if _, err := srv.control.Create(ctx, acct, svc.Definition, paused, panel.Actor{}); err != nil {
			return err
		}
	}
	return nil
}

// writeDemoFiles is called with the rights of the account's user.
func writeDemoFiles(home string) error {
	folder := filepath.Join(home, demoFolder)
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return err
	}
	files, err := demoFiles.ReadDir("demo")
	if err != nil {
		return err
	}
	for _, f := range files {
		content, err := demoFiles.ReadFile("demo/" + f.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, f.Name()), content, 0o640); err != nil {
			return err
		}
	}
	return nil
}
