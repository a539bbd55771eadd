package logs

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"upkeep/internal/privilege"
)

// roles are the programs that the test binary plays.
var roles = map[string]func(){
	"lines":      playLines,
	"both":       playBoth,
	"grandchild": playGrandchild,
	"endless":    playEndless,
	"steady":     playSteady,
	"reader":     playReader,
	"flood":      playFlood,
}

func number(i int) int {
	n, err := strconv.Atoi(os.Args[i])
	if err != nil {
		panic(err)
	}
	return n
}

// playLines writes so many lines, one by one; the last without newline.
func playLines() {
	n := number(1)
	for i := range n {
		end := "\n"
		if i == n-1 {
			end = ""
		}
		fmt.Printf("line %07d%s", i, end)
	}
}

// playBoth alternates between standard output and error.
func playBoth() {
	for i := range number(1) {
		fmt.Fprintf([]*os.File{os.Stdout, os.Stderr}[i%2], "line %07d\n", i)
	}
}

// playGrandchild ends at once and leaves a child, which writes when standard input ends.
func playGrandchild() {
	if len(os.Args) > 1 {
		_, _ = io.Copy(io.Discard, os.Stdin)
		fmt.Println("from the grandchild")
		return
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		panic(err)
	}
	defer null.Close()
	fmt.Println("from the main process")
	attr := &os.ProcAttr{Env: os.Environ(), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}}
	if _, err := os.StartProcess("/proc/self/exe", []string{os.Args[0], "stay"}, attr); err != nil {
		panic(err)
	}
}

// playEndless writes numbered lines of 100 bytes, each with a write of its own, until standard input ends.
func playEndless() { playLong(0) }

// playSteady does the same with a pause now and then.
func playSteady() { playLong(time.Millisecond) }

func playLong(pause time.Duration) {
	var end atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		end.Store(true)
	}()
	line := make([]byte, 0, 100)
	for i := 0; !end.Load(); i++ {
		line = fmt.Appendf(line[:0], "line %07d %086d\n", i, 0)
		if _, err := os.Stdout.Write(line); err != nil {
			panic(err)
		}
		if i%50 == 0 {
			time.Sleep(pause)
		}
	}
}

// playReader captures service 1 until it is killed. It says when it does.
func playReader() {
	l, err := New(Options{State: os.Args[1]})
	if err != nil {
		panic(err)
	}
	src := Source{Service: 1, Account: 1, Name: "web", Home: os.Args[2]}
	if os.Geteuid() == 0 {
		src.OwnUser, src.Cred = true, privilege.Credentials{UID: testUser, GID: testUser}
	}
	if err := l.Attach(context.Background(), src); err != nil {
		panic(err)
	}
	w := bufio.NewWriter(os.Stdout)
	fmt.Fprintln(w, "ready")
	w.Flush()
	if err := l.Run(context.Background()); err != nil {
		panic(err)
	}
}

// playFlood writes so many MiB in writes of so many bytes.
func playFlood() {
	total, each := number(1)<<20, number(2)
	text := make([]byte, each)
	for i := range text {
		text[i] = 'x'
	}
	text[each-1] = '\n'
	for written := 0; written < total; written += each {
		if _, err := os.Stdout.Write(text); err != nil {
			panic(err)
		}
	}
}
