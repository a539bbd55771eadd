package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"upkeep/internal/panel"
)

const (
	defaultLines = 500
	maxLines     = 1000
	// maxLineBytes is how much of a line is given; the rest can be downloaded.
	maxLineBytes = 8 << 10
	// maxExtractBytes bounds the memory one page can ask for.
	maxExtractBytes = 1 << 20
)

// Extract returns a window of a service's log, at most 1,000 lines and 1 MiB of text. It reads the file that
// gets the output now, or else the one in the home, or else the fallback. Positions are offsets in that file.
//
// A position outside the file stands for the nearest one inside, a negative one for none, and one within a line
// for the start of that line: Before gives the lines that end there, After begins with that line. So who
// follows a log by asking After the last To gets an unfinished last line again, whole, once it has grown; its
// Position tells that it replaces the one shown. Nothing is after the end. A line of 64 KiB or more may come in
// pieces, each a LogLine cut to 8 KiB that begins within the line, so that paging goes through a line of any
// length.
//
// A log that does not exist is empty; a home that does not is [panel.ErrNotFound]. A log that must not be
// followed, such as a symbolic link, is [panel.ErrForbidden].
func (l *Logs) Extract(ctx context.Context, src Source, q panel.LogQuery) (panel.LogExtract, error) {
	x, err := onWorker(ctx, l, src, func() (panel.LogExtract, error) { return l.extract(src, q) }, nil)
	if err != nil {
		return panel.LogExtract{}, fmt.Errorf("read log of %q: %w", src.Name, err)
	}
	return x, nil
}

func (l *Logs) extract(src Source, q panel.LogQuery) (panel.LogExtract, error) {
	f, path, err := l.openToRead(src)
	if err != nil || f == nil {
		return panel.LogExtract{Path: path}, err
	}
	defer f.Close()
	for range 3 {
		st, err := f.Stat()
		if err != nil {
			return panel.LogExtract{}, err
		}
		x, err := extractFrom(f, st.Size(), q)
		if !errors.Is(err, errShrunk) {
			x.Path = path
			return x, err
		}
	}
	return panel.LogExtract{}, errShrunk
}

// extractFrom reads the window that q asks for from the first size bytes of a file.
func extractFrom(file io.ReaderAt, size int64, q panel.LogQuery) (panel.LogExtract, error) {
	w := window{pieces: pieces{file: file, size: size}, lines: q.Lines}
	if w.lines <= 0 {
		w.lines = defaultLines
	}
	w.lines = min(w.lines, maxLines)
	var err error
	if q.HasAfter || q.After > 0 {
		err = w.forwards(int64(q.After))
	} else {
		err = w.backwards(int64(q.Before))
	}
	if err != nil {
		return panel.LogExtract{}, err
	}
	return panel.LogExtract{
		Lines: w.found,
		From:  panel.Position(w.from),
		To:    panel.Position(w.to),
		Older: w.from > 0,
		Newer: w.to < size,
		Size:  size,
	}, nil
}

// window grows line by line until it is large enough.
type window struct {
	pieces
	lines    int // at most
	text     int // bytes of text found
	found    []panel.LogLine
	from, to int64
}

func (w *window) forwards(after int64) (err error) {
	w.from = min(max(after, 0), w.size)
	if w.from < w.size {
		if w.from, err = w.startOf(w.from); err != nil {
			return err
		}
	}
	for w.to = w.from; w.to < w.size; {
		end, err := w.endOf(w.to)
		if err != nil {
			return err
		}
		if full, err := w.add(w.to, end); full || err != nil {
			return err
		}
		w.to = end
	}
	return nil
}

func (w *window) backwards(before int64) (err error) {
	w.to = w.size
	if 0 < before && before < w.size {
		if w.to, err = w.startOf(before); err != nil {
			return err
		}
	}
	for w.from = w.to; w.from > 0; {
		start, err := w.startOf(w.from - 1)
		if err != nil {
			return err
		}
		if full, err := w.add(start, w.from); full || err != nil {
			slices.Reverse(w.found)
			return err
		}
		w.from = start
	}
	slices.Reverse(w.found)
	return nil
}

// add takes a piece into the window, unless it is full.
func (w *window) add(start, end int64) (full bool, err error) {
	if len(w.found) == w.lines {
		return true, nil
	}
	text, cut, err := w.pieces.text(start, end)
	if err != nil || w.text+len(text) > maxExtractBytes {
		return true, err
	}
	w.text += len(text)
	w.found = append(w.found, panel.LogLine{Position: panel.Position(start), Text: text, Cut: cut})
	return false, nil
}
