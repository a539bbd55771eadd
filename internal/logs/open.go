package logs

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"upkeep/internal/panel"
)

// Open prepares the output of a service and returns the end it writes to: a blocking descriptor for the
// program's standard output and error, which the caller closes when the program has it. It may be called again
// for each run; the home is tried anew each time. Output is kept from here on, but Open does not wait for the
// log file, because the home may hang: [Logs.Trouble] tells what came of it.
func (l *Logs) Open(ctx context.Context, src Source) (*os.File, error) {
	w, err := l.open(ctx, src, true)
	if err != nil {
		return nil, fmt.Errorf("open output of %q: %w", src.Name, err)
	}
	return w, nil
}

// Attach is Open for a service that runs already, because upkeep came back to it.
func (l *Logs) Attach(ctx context.Context, src Source) error {
	if _, err := l.open(ctx, src, false); err != nil {
		return fmt.Errorf("attach to output of %q: %w", src.Name, err)
	}
	return nil
}

func (l *Logs) open(ctx context.Context, src Source, writer bool) (*os.File, error) {
	if err := src.check(); err != nil {
		return nil, err
	}
	type outcome struct {
		w   *os.File
		err error
	}
	answer := make(chan outcome) // unbuffered: either the caller has the file, or it is closed here
	serve := func(s *stream) error {
		w, err := s.begin(src, writer)
		if err != nil {
			return err
		}
		select {
		case answer <- outcome{w: w}:
		case <-ctx.Done():
			w.Close() // nil for Attach: Close of a nil file only returns an error
		}
		s.reopen()
		return nil
	}
	end := func(err error) {
		if err == nil {
			return
		}
		select {
		case answer <- outcome{err: err}:
		case <-ctx.Done():
		}
	}
	if err := l.enqueue(src.Service, &src, request{ctx, serve, end}); err != nil {
		return nil, err
	}
	select {
	case o := <-answer:
		return o.w, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Mark appends a line of upkeep's own, "upkeep: " and line, behind all output that is in the FIFO now. It
// begins on a line of its own even if the program's last line is unfinished. While neither file takes bytes it
// waits; when ctx ends first, the line may be missing. A service that is not open is [panel.ErrNotFound].
func (l *Logs) Mark(ctx context.Context, id panel.ServiceID, line string) error {
	line = ownPrefix + strings.ReplaceAll(line, "\n", " ") + "\n"
	answer := make(chan error, 1)
	err := l.enqueue(id, nil, request{
		ctx:   ctx,
		serve: func(s *stream) error { return s.mark(line) },
		end:   func(err error) { answer <- err },
	})
	if err == nil {
		select {
		case err = <-answer:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		return fmt.Errorf("mark log of service %d: %w", id, err)
	}
	return nil
}

// Close stops watching a service's output, once what is in the FIFO has been moved, and closes its
// descriptors. It returns at once; files stay. Output of a process that still runs then waits in the FIFO,
// and the process with it when the FIFO is full, so close only what has ended.
func (l *Logs) Close(id panel.ServiceID) {
	// An error says that there is nothing to close.
	_ = l.enqueue(id, nil, request{serve: (*stream).end, end: ignore})
}

// Remove is Close followed by the removal of the FIFO and the fallback file. The log in the home stays: it is
// the account's. The service need not be open. Remove waits a moment, so that nothing is left of a service that is
// forgotten next; only a disk that takes no output needs longer.
func (l *Logs) Remove(id panel.ServiceID) {
	removed := make(chan struct{})
	remove := func(error) { // an error says that it was not open
		l.removeFiles(id)
		close(removed)
	}
	if err := l.enqueue(id, nil, request{serve: (*stream).end, end: remove}); err != nil {
		remove(err)
	}
	select {
	case <-removed:
	case <-time.After(removeTime):
	}
}

const removeTime = time.Second

// Path is the file that gets the output of an open service now: empty when no file does.
func (l *Logs) Path(id panel.ServiceID) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.streams[id]; s != nil {
		return s.path
	}
	return ""
}

// Trouble says in one sentence why the output of an open service does not go to its log file, and where it
// goes instead. It is empty when all is well.
func (l *Logs) Trouble(id panel.ServiceID) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.streams[id]; s != nil {
		return s.trouble
	}
	return ""
}
