package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// burstLines is what a program writes before it ends at once; the last line has no end.
const burstLines = 20_000

func burst(t *trial) ([]cell, error) {
	s := t.torture("burster", "burst", fmt.Sprint(burstLines))
	if err := t.start([]service{s}); err != nil {
		return nil, err
	}
	if !t.within(startTime, func() bool { return total(t.written(s.name)) == burstLines }) {
		return nil, fmt.Errorf("%s did not write", s.name)
	}
	time.Sleep(4 * time.Second) // as the row says
	text, err := t.log(s)
	if err != nil {
		return nil, err
	}
	written := t.written(s.name)
	lost := total(missing(text, written))
	for pid := range written {
		last := regexp.MustCompile(fmt.Sprintf(`(?m)^L %d %d$`, pid, burstLines)).MatchString(text)
		switch {
		case lost == 0 && last:
			return []cell{{"all", true}}, nil
		case lost <= 1 && !last:
			return []cell{{"all, but not the last line without newline", false}}, nil
		}
	}
	return []cell{{fmt.Sprintf("%d", burstLines-lost), false}}, nil
}

// Of the flood: how long, and what upkeep may use at most. How much is kept on disk is shown and not judged.
const (
	floodTime     = "8s"
	floodCores    = 1.0
	floodResident = 64 << 20
)

func flood(t *trial) ([]cell, error) {
	s := t.torture("flooder", "flood", floodTime)
	if err := t.start([]service{s}); err != nil {
		return nil, err
	}
	begun := time.Now()
	if !t.within(startTime, func() bool { return t.starts(s.name) > 0 }) {
		return nil, fmt.Errorf("%s was not started", s.name)
	}
	before, most := cpuTimes(t.supervisors()), int64(0)
	ended := t.within(time.Minute, func() bool {
		most = max(most, resident(t.supervisors()))
		return total(t.written(s.name)) > 0
	})
	if !ended {
		return []cell{{"does not end", false}}, nil
	}
	length := time.Since(begun)
	var used time.Duration
	for pid, at := range cpuTimes(t.supervisors()) {
		used += at - before[pid]
	}
	cores := used.Seconds() / length.Seconds()
	var disk int64
	for _, path := range t.kept(s) {
		if info, err := os.Stat(path); err == nil { // renamed meanwhile
			disk += info.Size()
		}
	}
	return []cell{{fmt.Sprintf("%.0f MB/s, %.0f %%, %d MB, %.2f GB on disk", float64(total(t.written(s.name)))/1e6/length.Seconds(),
		cores*100, most>>20, float64(disk)/1e9), cores <= floodCores && most <= floodResident}}, nil
}

// againTime is how soon a log file has to be there again.
const againTime = 5 * time.Second

func logDeleted(t *trial) ([]cell, error) {
	s := t.torture("writer", "lines", "10ms")
	pid, err := t.beginWriter(s)
	if err == nil && !t.within(startTime, func() bool { _, err := os.Stat(t.logFile(s)); return err == nil }) {
		err = errors.New("there is no log file")
	}
	if err == nil {
		err = os.Remove(t.logFile(s))
	}
	if err != nil {
		return nil, err
	}
	d, again := t.took(againTime, func() bool {
		text, err := readLog(t.logFile(s))
		return err == nil && strings.Contains(text, fmt.Sprintf("L %d ", pid))
	})
	if !again {
		return []cell{{"never recreated", false}}, nil
	}
	return []cell{{"recreated after " + seconds(d), alive(pid)}}, nil
}

// Of the full disk: its size, for how long, and how soon the output has to go on.
const (
	diskSize   = "1m"
	fullTime   = 4 * time.Second
	resumeTime = 10 * time.Second
)

func diskFull(t *trial) ([]cell, error) {
	if err := t.mount(diskSize); err != nil {
		return nil, err
	}
	s := t.torture("writer", "lines", "4ms")
	pid, err := t.beginWriter(s)
	if err != nil {
		return nil, err
	}
	filler := filepath.Join(t.home, "filler")
	if err := fill(filler); err != nil {
		return nil, err
	}
	time.Sleep(fullTime) // as the row says
	if err := os.Remove(filler); err != nil {
		return nil, err
	}
	mark := t.written(s.name)[pid]
	resumed := t.within(resumeTime, func() bool {
		text, err := t.log(s)
		return err == nil && strings.Contains(text, fmt.Sprintf("L %d %d ", pid, mark+1))
	})
	lost, err := t.lost(s)
	if err != nil {
		return nil, err
	}
	n := total(t.written(s.name))
	text := fmt.Sprintf("%d of %d", n-total(lost), n)
	if !resumed {
		text += ", never resumes"
	}
	if starts := t.starts(s.name); starts > 1 {
		text += fmt.Sprintf(", service killed (%d starts)", starts)
	}
	return []cell{{text, resumed && total(lost) == 0 && alive(pid)}}, nil
}

// fill writes until there is no space.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 4<<10)
	for err == nil {
		_, err = f.Write(block)
	}
	if errors.Is(err, unix.ENOSPC) {
		return nil
	}
	return err
}

// logPlanted is an account that has put a link to a file of root's where its log belongs.
func logPlanted(t *trial) ([]cell, error) {
	s := t.torture("writer", "lines", "10ms")
	const content = "root's alone\n"
	if err := t.write("secret", content, 0o600); err != nil {
		return nil, err
	}
	link := t.logFile(s)
	err := errors.Join(os.MkdirAll(filepath.Dir(link), 0o755), os.Symlink(filepath.Join(t.dir, "secret"), link), t.give(s.user))
	if err != nil {
		return nil, err
	}
	if err := t.start([]service{s}); err != nil {
		return nil, err
	}
	runs := t.within(startTime, func() bool { return total(t.written(s.name)) > 100 })
	text, err := os.ReadFile(filepath.Join(t.dir, "secret"))
	if err != nil {
		return nil, err
	}
	switch {
	case string(text) != content:
		return []cell{{"root file written", false}}, nil
	case !runs:
		return []cell{{"not written; the service does not run or is held up", false}}, nil
	}
	return []cell{{"not written, the service runs", true}}, nil
}
