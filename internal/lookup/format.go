package lookup

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"path"
	"runtime"
	"strings"

	"upkeep/internal/diagnose"
)

// inspect looks into the program that was found.
func (f *finder) inspect(found *diagnose.Found) {
	file, ok := f.stat(found.Path)
	if !ok {
		return
	}
	defer file.close()
	head, ok := file.head()
	if !ok {
		return
	}
	found.Format, found.Machine = format(head)
	if found.Format == diagnose.FormatScript {
		f.script(found, head)
	}
}

// format says what the first bytes of a file are.
func format(head []byte) (format diagnose.Format, machine string) {
	switch {
	case len(head) == 0:
		return diagnose.FormatEmpty, ""
	case bytes.HasPrefix(head, []byte("#!")):
		return diagnose.FormatScript, ""
	case bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		return elfFormat(head)
	case bytes.HasPrefix(head, []byte("MZqFpD")), bytes.HasPrefix(head, []byte("PK")):
		return diagnose.FormatUnknown, "" // a portable executable, or an archive the host may know how to run
	case bytes.HasPrefix(head, []byte("MZ")):
		return diagnose.FormatForeign, "Windows"
	case bytes.HasPrefix(head, []byte("\xcf\xfa\xed\xfe")), bytes.HasPrefix(head, []byte("\xce\xfa\xed\xfe")):
		return diagnose.FormatForeign, "macOS"
	}
	return diagnose.FormatText, ""
}

// machines are the processors that people build programs for, by the names Go has for them.
var machines = map[elf.Machine]struct{ arch, name string }{
	elf.EM_386:     {"386", "32-bit Intel processors"},
	elf.EM_ARM:     {"arm", "32-bit ARM processors"},
	elf.EM_X86_64:  {"amd64", "64-bit Intel and AMD processors (amd64)"},
	elf.EM_AARCH64: {"arm64", "64-bit ARM processors (arm64)"},
	elf.EM_RISCV:   {"riscv64", "RISC-V processors"},
}

// also are processors whose programs a machine runs besides its own.
var also = map[string]string{"amd64": "386", "arm64": "arm"}

// elfFormat compares what a program was built for with this machine. What it does not know passes.
func elfFormat(head []byte) (diagnose.Format, string) {
	if len(head) < 20 {
		return diagnose.FormatText, ""
	}
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	built, known := machines[elf.Machine(order.Uint16(head[18:]))]
	if !known || built.arch == runtime.GOARCH || built.arch == also[runtime.GOARCH] {
		return diagnose.FormatBinary, ""
	}
	return diagnose.FormatForeign, built.name
}

// script reads the first line of a script, and looks for the interpreter that it names.
func (f *finder) script(found *diagnose.Found, head []byte) {
	line, _, whole := strings.Cut(string(head[2:]), "\n")
	if !whole && len(head) == headBytes {
		return // longer than the kernel looks, and rarely so
	}
	found.CarriageReturn = strings.HasSuffix(line, "\r")
	words := strings.Fields(line)
	if len(words) == 0 {
		found.Format = diagnose.FormatText
		return
	}
	found.Interpreter = words[0]
	found.InterpreterMissing = !f.runs(f.absolute(words[0]))
	if name := behindEnv(words); name != "" && !found.InterpreterMissing {
		found.Interpreter = name
		found.InterpreterMissing = !f.inPath(name)
	}
}

// behindEnv returns the program that a first line such as "#!/usr/bin/env -S node --flag" is about; empty when it
// does not go through env, or in a way that is not understood.
func behindEnv(words []string) string {
	if path.Base(words[0]) != "env" {
		return ""
	}
	for _, w := range words[1:] {
		switch {
		case w == "-S" || strings.Contains(w, "="):
		case strings.HasPrefix(w, "-"):
			return ""
		default:
			return w
		}
	}
	return ""
}

// inPath reports whether a program exists as env would find it.
func (f *finder) inPath(name string) bool {
	found := diagnose.Found{Name: name}
	if strings.Contains(name, "/") {
		return f.runs(f.absolute(name))
	}
	f.search(&found)
	return found.Executable
}
