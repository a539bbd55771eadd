package launcher

import (
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"upkeep/internal/panel"
)

func full() *Spec {
	return &Spec{
		Cgroups: []string{"/sys/fs/cgroup/a/cgroup.procs", "/sys/fs/cgroup/b=c/tasks"},
		SetUser: true, UID: 1007, GID: 1008, Groups: []int{1008, 7700}, NoNewPrivs: true,
		Umask: 0o027, OpenFile: 1024, OpenFileMax: 4096, Processes: 512, OOMScore: 300, Directory: "/home/ann/a b\nc",
		Argv: []string{"python3", "", "-c", "print(\"=\")"}, Env: []string{"A=", "B==", "C=ä\xff\n"},
		Banner: "upkeep: run 1 started, pid %d",
	}
}

// body takes the length off an encoded message, after holding it against what follows.
func body(t *testing.T, message []byte) []byte {
	t.Helper()
	if n := binary.LittleEndian.Uint32(message); int(n) != len(message)-4 {
		t.Fatalf("length %d before %d bytes", n, len(message)-4)
	}
	return message[4:]
}

func TestSpecRoundTrip(t *testing.T) {
	for name, want := range map[string]*Spec{
		"everything":    full(),
		"nearly empty":  {Argv: []string{"true"}},
		"an empty word": {Argv: []string{"x", ""}, Env: []string{""}},
	} {
		message, err := want.encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(body(t, message))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
		}
	}
}

func TestEncodeRefusesNUL(t *testing.T) {
	for name, s := range map[string]*Spec{
		"directory": {Argv: []string{"x"}, Directory: "a\x00setuser=false"},
		"argument":  {Argv: []string{"x", "a\x00"}},
		"variable":  {Argv: []string{"x"}, Env: []string{"A=\x00"}},
		"banner":    {Argv: []string{"x"}, Banner: "\x00"},
	} {
		if _, err := s.encode(); !errors.Is(err, errMessage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEncodeTooLong(t *testing.T) {
	_, err := (&Spec{Argv: []string{"/bin/true", strings.Repeat("x", maxMessage)}}).encode()
	want := &Failure{Step: panel.StepExecute, Errno: int(syscall.E2BIG), Detail: "/bin/true"}
	var got *Failure
	if !errors.As(err, &got) || *got != *want {
		t.Errorf("%v, want %v", err, want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"nothing": "", "no value": "arg\x00", "unknown key": "arg=x\x00shell=yes\x00", "no program": "uid=1\x00",
		"no number": "arg=x\x00uid=x\x00", "no truth": "arg=x\x00setuser=perhaps\x00", "an empty field": "arg=x\x00\x00env=A\x00",
		"a number below zero": "arg=x\x00openfile=-1\x00",
	} {
		if s, err := decode([]byte(body)); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func FuzzSpec(f *testing.F) {
	f.Add("/cg", 1, 2, 3, true, "/home", "sh", "arg", "A=b", "banner")
	f.Add("", -1, 0, 0, false, "=", "=", "\n", "\xff", "%d")
	f.Fuzz(func(t *testing.T, cgroup string, uid, gid, group int, set bool, dir, program, arg, env, banner string) {
		want := &Spec{Cgroups: []string{cgroup}, SetUser: set, UID: uid, GID: gid, Groups: []int{group}, NoNewPrivs: !set,
			Directory: dir, Argv: []string{program, arg}, Env: []string{env}, Banner: banner}
		message, err := want.encode()
		if err != nil {
			if !strings.Contains(cgroup+dir+program+arg+env+banner, "\x00") {
				t.Fatal(err)
			}
			return
		}
		if got, err := decode(body(t, message)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	})
}

// Whatever decode accepts is said again by encode.
func FuzzDecode(f *testing.F) {
	message, err := full().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(message[4:])
	f.Add([]byte("arg=\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decode(b)
		if err != nil || len(b) > maxMessage/2 {
			return
		}
		again, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decode(body(t, again)); err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("%+v, %v; want %+v", got, err, s)
		}
	})
}

func FuzzFailure(f *testing.F) {
	f.Add("directory", 2, "/home/ann\x00x")
	f.Add("", -1, "")
	f.Fuzz(func(t *testing.T, step string, errno int, detail string) {
		if strings.Contains(step, "\x00") {
			return // the steps are ours
		}
		want := &Failure{Step: panel.Step(step), Errno: errno, Detail: detail}
		if got, err := decodeFailure(encodeFailure(want)); err != nil || *got != *want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	})
}

func FuzzDecodeFailure(f *testing.F) {
	f.Add([]byte("lookup\x002\x00redis"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := decodeFailure(b)
		if err != nil {
			return
		}
		if again, err := decodeFailure(encodeFailure(got)); err != nil || *again != *got {
			t.Errorf("%+v, %v; want %+v", again, err, got)
		}
	})
}
