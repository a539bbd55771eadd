package main

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
)

// users makes one Unix user with one supplementary group, when it is first needed.
type users struct {
	once sync.Once
	name string
	err  error
	undo [][]string
}

// member returns the name of the user.
func (u *users) member() (string, error) {
	u.once.Do(func() {
		u.name = fmt.Sprintf("peers-%d", os.Getpid())
		extra := u.name + "x"
		u.err = u.make([]string{"groupadd", extra}, []string{"groupdel", extra})
		if u.err == nil {
			u.err = u.make([]string{"useradd", "-M", "-U", "-G", extra, "-d", "/nonexistent", u.name}, []string{"userdel", u.name})
		}
	})
	return u.name, u.err
}

func (u *users) make(command, undo []string) error {
	if err := call(command); err != nil {
		return err
	}
	u.undo = append([][]string{undo}, u.undo...)
	return nil
}

func (u *users) remove() (err error) {
	for ; len(u.undo) > 0 && err == nil; u.undo = u.undo[1:] {
		err = call(u.undo[0])
	}
	return err
}

func call(command []string) error {
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", command[0], err, out)
	}
	return nil
}
