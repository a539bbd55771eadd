package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// maxReaders is how many readers of an account may wait for a worker: more means that the home hangs.
const maxReaders = 64

// OpenFile opens the log that [Logs.Extract] would read, for a download. The reader ends at the size that is
// returned, even when the log grows; a log that does not exist has size 0. The caller closes it.
func (l *Logs) OpenFile(ctx context.Context, src Source) (io.ReadCloser, int64, error) {
	d, err := onWorker(ctx, l, src, func() (*download, error) { return l.download(src) },
		func(d *download) { d.Close() })
	if err != nil {
		return nil, 0, fmt.Errorf("open log of %q: %w", src.Name, err)
	}
	return d, d.Size(), nil
}

// download is the part of a log that was there when it was opened.
type download struct {
	*io.SectionReader
	file *os.File // nil when there is no log
}

func (l *Logs) download(src Source) (*download, error) {
	f, _, err := l.openToRead(src)
	if err != nil {
		return nil, err
	}
	if f == nil {
		return &download{SectionReader: io.NewSectionReader(nil, 0, 0)}, nil
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &download{io.NewSectionReader(f, 0, st.Size()), f}, nil
}

// Close may be called on a download of nothing.
func (d *download) Close() error {
	if d.file == nil {
		return nil
	}
	return d.file.Close()
}

// openToRead chooses the file to show. No file and no error: nothing was written yet, and path is where it
// will be.
func (l *Logs) openToRead(src Source) (f *os.File, path string, err error) {
	fallback := l.fallbackPath(src.Service)
	if l.Path(src.Service) == fallback {
		if f, err := openOwn(fallback); err == nil {
			return f, fallback, nil
		}
	}
	f, err = openReadable(src)
	if err == nil {
		return f, src.path(), nil
	}
	if f, err := openOwn(fallback); err == nil {
		return f, fallback, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, src.path(), nil
	}
	return nil, "", err
}

func openOwn(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
}

// onWorker runs f where a hanging home holds up its own account only. When ctx ends first, what f returns
// later is given to discard.
func onWorker[T any](ctx context.Context, l *Logs, src Source, f func() (T, error), discard func(T)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	var none T
	if err := src.check(); err != nil {
		return none, err
	}
	if l.pool.waiting(src.Account) >= maxReaders {
		return none, fmt.Errorf("the home hangs: %w", panel.ErrBusy)
	}
	answer := make(chan outcome) // unbuffered: either the caller has the value, or it is discarded here
	l.pool.submit(src.Account, func() {
		if ctx.Err() != nil {
			return
		}
		value, err := f()
		select {
		case answer <- outcome{value, err}:
		case <-ctx.Done():
			if err == nil && discard != nil {
				discard(value)
			}
		}
	})
	select {
	case o := <-answer:
		return o.value, o.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}
