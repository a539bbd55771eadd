package supervisor

import (
	"syscall"
	"testing"
	"time"

	"upkeep/internal/panel"
)

func TestLastLine(t *testing.T) {
	tests := []struct {
		exit panel.Exit
		want string
	}{
		{panel.Exit{Kind: panel.EndExited, Run: 7, Code: 3, Uptime: 2140 * time.Millisecond}, "run 7 ended: exit status 3 after 2.1s"},
		{panel.Exit{Kind: panel.EndSignaled, Run: 7, Signal: 9}, "run 7 ended: signal SIGKILL"},
		{panel.Exit{Kind: panel.EndNotRun, Run: 8, Step: panel.StepDirectory, Errno: int(syscall.ENOENT), Detail: "/home/a/app"},
			"run 8 could not start: directory: no such file or directory: /home/a/app"},
		{panel.Exit{Kind: panel.EndNotRun, Run: 8, Step: panel.StepUser, Detail: "unknown user a"}, "run 8 could not start: user: unknown user a"},
		{panel.Exit{Kind: panel.EndUnknown, Run: 9}, "run 9 ended while upkeep was away, exit status unknown"},
	}
	for _, tt := range tests {
		if got := lastLine(tt.exit); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
