package keeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Below reports whether this process was started by a keeper, and takes the mark of that out of the environment.
func Below() bool {
	_, below := os.LookupEnv(Kept)
	_ = os.Unsetenv(Kept) // it fails for impossible names only
	return below
}

// Become turns this process into the keeper of a data directory, which must exist. The keeper starts the same command
// line once more, as its child. Become returns only when that fails.
func Become(dir, helper string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the path of upkeep: %w", err)
	}
	argv := append([]string{helper, VerbKeep, dir, self}, os.Args[1:]...)
	err = syscall.Exec(helper, argv, os.Environ())
	return fmt.Errorf("start the keeper %s: %w", helper, err)
}

// Upgrade has the keeper of a data directory start another binary in place of the daemon, and waits until that one
// has taken over. The error says why the former one goes on. It is ErrNone when no upkeep runs.
func Upgrade(ctx context.Context, dir, binary string) error {
	_, err := command(ctx, dir, message{verb: verbUpgrade, arg: binary}, false)
	return err
}

// StopAll has the daemon stop every service and end, and waits for the end. It is ErrNone when no upkeep runs.
func StopAll(ctx context.Context, dir string) error {
	_, err := command(ctx, dir, message{verb: verbStopAll}, true)
	return err
}

// Status asks the keeper of a data directory how it is: keys and values. It is ErrNone when no upkeep runs.
func Status(ctx context.Context, dir string) (map[string]string, error) {
	text, err := command(ctx, dir, message{verb: verbStatus}, false)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for word := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(word, "=")
		values[key] = value
	}
	return values, nil
}

// command asks the keeper for something; with untilEnd it also waits until the keeper has ended.
func command(ctx context.Context, dir string, m message, untilEnd bool) (string, error) {
	socket, err := connect(dir)
	if err != nil {
		return "", err
	}
	defer unix.Close(socket)
	stop := context.AfterFunc(ctx, func() {
		_ = unix.Shutdown(socket, unix.SHUT_RDWR) // wakes receive; an error says that it is closed already
	})
	defer stop()
	if err := send(socket, m); err != nil {
		return "", err
	}
	packets := newReceiver(socket)
	answer, err := packets.next()
	answer.closeFDs()
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, io.EOF):
		return "", errors.New("the keeper has ended meanwhile")
	case err != nil:
		return "", err
	case answer.verb != verbDone:
		return "", errors.New(answer.arg)
	}
	for untilEnd && err == nil {
		_, err = packets.next()
	}
	if untilEnd && ctx.Err() != nil {
		return "", ctx.Err()
	}
	return answer.arg, nil
}
