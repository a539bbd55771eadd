package logs

import (
	"bytes"
	"errors"
	"io"
)

// A log is read as pieces. A piece begins at the start of a line, or, within a line too long to be handled
// whole, at a multiple of blockBytes when the block before it holds no newline. So a line below 64 KiB is
// always one piece, and one of 128 KiB or more always several. Where a piece begins depends on the bytes
// within 128 KiB alone: every reader finds the same pieces from any position, at a cost that neither the size
// of the file nor the length of a line changes.
const blockBytes = 64 << 10

// errShrunk says that the file became shorter while it was read.
var errShrunk = errors.New("log was truncated while it was read")

// pieces finds the pieces of the first size bytes of a file.
type pieces struct {
	file   io.ReaderAt
	size   int64
	recent [2]block // the two last read: walking needs no more
}

// block is the bytes of the file from a multiple of blockBytes on.
type block struct {
	from   int64
	bytes  []byte
	loaded bool
}

// load returns the block that begins at from.
func (p *pieces) load(from int64) ([]byte, error) {
	for i := range p.recent {
		if p.recent[i].loaded && p.recent[i].from == from {
			return p.recent[i].bytes, nil
		}
	}
	p.recent[0], p.recent[1] = p.recent[1], p.recent[0]
	b := &p.recent[0]
	if b.bytes == nil {
		b.bytes = make([]byte, blockBytes)
	}
	b.from, b.loaded = from, false
	b.bytes = b.bytes[:min(blockBytes, p.size-from)]
	if n, err := p.file.ReadAt(b.bytes, from); n < len(b.bytes) {
		if err == io.EOF {
			err = errShrunk
		}
		return nil, err
	}
	b.loaded = true
	return b.bytes, nil
}

// startOf returns the start of the piece that pos is in, for pos from 0 to size - 1.
func (p *pieces) startOf(pos int64) (int64, error) {
	from := pos - pos%blockBytes
	b, err := p.load(from)
	if err != nil {
		return 0, err
	}
	if i := bytes.LastIndexByte(b[:pos-from], '\n'); i >= 0 {
		return from + int64(i) + 1, nil
	}
	if from == 0 {
		return 0, nil
	}
	b, err = p.load(from - blockBytes)
	if err != nil {
		return 0, err
	}
	if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
		return from - blockBytes + int64(i) + 1, nil
	}
	return from, nil
}

// endOf returns the end of the piece that begins at start, which is the start of the next one or size.
func (p *pieces) endOf(start int64) (int64, error) {
	from := start - start%blockBytes
	whole := start == from // whether the piece has all of the block at from
	for ; from < p.size; from += blockBytes {
		b, err := p.load(from)
		if err != nil {
			return 0, err
		}
		if i := bytes.IndexByte(b[max(start-from, 0):], '\n'); i >= 0 {
			return max(start, from) + int64(i) + 1, nil
		}
		if whole || bytes.IndexByte(b, '\n') < 0 {
			return min(from+blockBytes, p.size), nil
		}
		whole = true
	}
	return p.size, nil
}

// text copies the beginning of the piece from start to end, without the newline, and reports whether the line
// goes on.
func (p *pieces) text(start, end int64) (text []byte, cut bool, err error) {
	text = make([]byte, min(end-start, maxLineBytes+1))
	for n := int64(0); n < int64(len(text)); {
		at := start + n
		b, err := p.load(at - at%blockBytes)
		if err != nil {
			return nil, false, err
		}
		n += int64(copy(text[n:], b[at%blockBytes:]))
	}
	if end-start <= maxLineBytes+1 {
		text = bytes.TrimSuffix(text, []byte{'\n'})
	}
	if len(text) > maxLineBytes {
		return text[:maxLineBytes], true, nil
	}
	return text, false, nil
}
