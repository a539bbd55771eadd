package panel

// Position is the number of bytes a service had written before a point of its output: the address of a line.
type Position int64

// LogLine is one line of output as the program wrote it, without its newline. Text is hostile: it may hold any
// byte.
type LogLine struct {
	Position Position // of its first byte
	Text     []byte
	Cut      bool // the line is longer than Text
}

// LogExtract is a window of a service's output, oldest line first.
type LogExtract struct {
	Lines []LogLine
	From  Position // of the first byte shown
	To    Position // behind the last byte shown
	Older bool     // lines exist before From
	Newer bool     // lines exist behind To
	Size  int64    // of the log file, in bytes
	Path  string   // of the file, absolute
}

// LogQuery asks for a window of output. At most one of Before and After is set; the zero value of both asks for
// the newest lines.
type LogQuery struct {
	Before   Position // lines that end at or before this position
	After    Position // lines that start at or behind this position
	HasAfter bool     // After is meant, even when it is 0
	Lines    int      // at most this many; 0 means 500
}
