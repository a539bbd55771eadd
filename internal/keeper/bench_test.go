package keeper

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkMemory measures the shipped keeper with the descriptors of a thousand services, before and after it has
// moved output of all of them at once, again and again.
func BenchmarkMemory(b *testing.B) {
	const services = 1000
	helper := filepath.Join(b.TempDir(), "upkeep-helper")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", helper, "upkeep/cmd/upkeep-helper")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	for b.Loop() {
		r := &run{t: b, dir: b.TempDir()}
		r.plan("plan", "idle")
		r.start(exec.Command(helper, VerbKeep, r.dir, os.Args[0], r.dir))
		eventually(b, "the daemon begins", func() bool { return len(r.starts()) > 0 })
		c := r.join()
		writers := make([]*os.File, services)
		pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
		must(b, err)
		for i := range writers {
			path := filepath.Join(r.dir, "f"+itoa(i))
			must(b, unix.Mkfifo(path, 0o600))
			writers[i], err = os.OpenFile(path, os.O_RDWR, 0)
			must(b, err)
			log, err := os.OpenFile(path+".log", os.O_RDWR|os.O_CREATE, 0o600)
			must(b, err)
			c.Put(FIFO(int64(i)), int(writers[i].Fd()))
			c.Put(Log(int64(i)), int(log.Fd()))
			c.Put(Run(int64(i), 1, os.Getpid()), pidfd)
			must(b, log.Close())
		}
		unix.Close(pidfd)
		if got := r.number("held"); got != 3*services {
			b.Fatalf("held: %d, want %d", got, 3*services)
		}
		b.ReportMetric(float64(memory(b, r.cmd.Process.Pid)), "KiB/holding")
		die(c)
		line := []byte(strings.Repeat("x", 99) + "\n")
		const rounds = 20
		begin := time.Now()
		for range rounds {
			for _, w := range writers {
				_, err := w.Write(line)
				must(b, err)
			}
		}
		for i, w := range writers {
			eventually(b, "everything is moved", func() bool {
				st, err := os.Stat(filepath.Join(r.dir, "f"+itoa(i)+".log"))
				return err == nil && st.Size() == int64(rounds*len(line))
			})
			must(b, w.Close())
		}
		b.ReportMetric(time.Since(begin).Seconds(), "s/moving")
		b.ReportMetric(float64(memory(b, r.cmd.Process.Pid)), "KiB/moved")
		b.ReportMetric(float64(threads(b, r.cmd.Process.Pid)), "threads")
		r.end()
	}
}

// memory is the resident memory of a process in KiB, with the pages of its binary.
func memory(b *testing.B, pid int) (kib int) {
	text, err := os.ReadFile("/proc/" + itoa(pid) + "/status")
	must(b, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err = strconv.Atoi(strings.Fields(rest)[0])
			must(b, err)
		}
	}
	return kib
}

func threads(b *testing.B, pid int) int {
	names, err := os.ReadDir("/proc/" + itoa(pid) + "/task")
	must(b, err)
	return len(names)
}
