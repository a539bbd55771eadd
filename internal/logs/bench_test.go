package logs

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// BenchmarkCapture writes 256 MiB from another process and measures until all is in the file. "cpu-µs/MB" is what
// capture itself used.
func BenchmarkCapture(b *testing.B) {
	const mib = 256
	for _, each := range []int{8192, 128} {
		b.Run(fmt.Sprintf("write=%d", each), func(b *testing.B) {
			l := start(b)
			src := newSource(b, 1)
			w := open(b, l, src)
			b.SetBytes(mib << 20)
			before := processorTime(b)
			for b.Loop() {
				must(b, os.Truncate(openedLog(b, l, src), 0))
				must(b, program(b, w, "flood", fmt.Sprint(mib), fmt.Sprint(each)).Run())
				eventually(b, "all is in the file", func() bool { return size(src.path()) == mib<<20 })
			}
			used := processorTime(b) - before
			b.ReportMetric(float64(used.Microseconds())/float64(b.N*mib), "cpu-µs/MB")
			b.ReportMetric(float64(l.wakes.Load())/float64(b.N*mib), "wakes/MB")
		})
	}
}

// openedLog waits until the log file is there.
func openedLog(b *testing.B, l *Logs, src Source) string {
	b.Helper()
	eventually(b, "the log is open", func() bool { return l.Path(src.Service) == src.path() })
	return src.path()
}

// processorTime is what this process has used, children not counted.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	must(b, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkExtract shows that the size of the file does not matter.
func BenchmarkExtract(b *testing.B) {
	for _, mib := range []int64{10, 1024} {
		path := bigLog(b, mib<<20)
		f, err := os.Open(path)
		must(b, err)
		b.Cleanup(func() { f.Close() })
		queries := map[string]panel.LogQuery{
			"newest": {},
			"middle": {Before: panel.Position(mib << 19)},
			"after":  {After: panel.Position(mib << 19)},
		}
		for name, q := range queries {
			b.Run(fmt.Sprintf("%s/MiB=%d", name, mib), func(b *testing.B) {
				for b.Loop() {
					x, err := extractFrom(f, mib<<20, q)
					if err != nil || len(x.Lines) != defaultLines {
						b.Fatalf("%d lines, %v", len(x.Lines), err)
					}
				}
			})
		}
	}
}

// bigLog is a file of lines around its middle and at its end, with holes between.
func bigLog(b *testing.B, bytes int64) string {
	b.Helper()
	path := b.TempDir() + "/log"
	f, err := os.Create(path)
	must(b, err)
	defer f.Close()
	lines := []byte(strings.Repeat(strings.Repeat("x", 99)+"\n", 10_000))
	for _, at := range []int64{bytes/2 - int64(len(lines))/2, bytes - int64(len(lines))} {
		_, err := f.WriteAt(lines, at)
		must(b, err)
	}
	return path
}

// BenchmarkExtractService is the whole way, with the home walked as the account.
func BenchmarkExtractService(b *testing.B) {
	l := start(b)
	src := newSource(b, 1)
	w := open(b, l, src)
	write(b, w, numbered(0, 20000, false))
	must(b, l.Mark(b.Context(), src.Service, "end"))
	for b.Loop() {
		x, err := l.Extract(b.Context(), src, panel.LogQuery{})
		if err != nil || len(x.Lines) != defaultLines {
			b.Fatalf("%d lines, %v", len(x.Lines), err)
		}
	}
}

// BenchmarkOpen is what each start of a service pays.
func BenchmarkOpen(b *testing.B) {
	l := start(b)
	src := newSource(b, 1)
	for b.Loop() {
		w, err := l.Open(b.Context(), src)
		must(b, err)
		w.Close()
	}
}
