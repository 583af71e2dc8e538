package processor_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// programs misbehave in one way each. They run in the folder for their files.
var programs = map[string]func(args []string) error{
	"exit": func(args []string) error {
		code := 0
		if _, err := fmt.Sscan(args[2], &code); err != nil {
			return err
		}
		fmt.Println("printed")
		fmt.Fprintln(os.Stderr, "first line\nlast \x1bwords")
		os.Exit(code)
		return nil
	},
	"sleep": func([]string) error { return sleepLong() },
	"crash": func([]string) error {
		return errors.Join(syscall.Kill(os.Getpid(), syscall.SIGTERM), sleepLong())
	},
	"kill": func([]string) error {
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	},
	"flood": func([]string) error {
		line := bytes.Repeat([]byte("x"), 1<<16)
		for range 256 {
			if _, err := os.Stdout.Write(line); err != nil {
				return err
			}
		}
		fmt.Println("the end of the flood")
		fmt.Fprintln(os.Stderr, "heard all the same")
		return nil
	},
	"memory": func([]string) error { return errors.Join(hold(1<<30), sleepLong()) },
	"family": func([]string) error { // each of them holds less than the limit
		return errors.Join(start("hold"), start("hold"), start("hold"), start("hold"), hold(96<<20), sleepLong())
	},
	"hold": func([]string) error { return errors.Join(hold(96<<20), sleepLong()) },
	"reserve": func([]string) error {
		_, err := syscall.Mmap(-1, 0, 8<<30, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
		time.Sleep(300 * time.Millisecond) // long enough to be looked at
		return err
	},
	"links": func(args []string) error {
		return errors.Join(
			os.Symlink("/etc/passwd", "passwd.txt"), os.Symlink(args[0], "config.txt"), os.Symlink("/etc", "etc"),
			syscall.Mkfifo("fifo.txt", 0o600), os.WriteFile("a\nb.txt", nil, 0o600), os.Mkdir("folder", 0o700),
			os.WriteFile("good.txt", []byte("good"), 0o600),
		)
	},
	"locked": func([]string) error {
		return errors.Join(os.MkdirAll("a/b", 0o700), os.WriteFile("a/b/c.txt", nil, 0), os.Chmod("a/b", 0), os.Chmod("a", 0o500))
	},
	"huge": func([]string) error {
		f, err := os.Create("huge.bin")
		if err == nil {
			err = f.Truncate(1 << 40)
		}
		return err
	},
	"growing": func([]string) error {
		f, err := os.Create("growing.bin")
		for err == nil {
			_, err = f.Write(make([]byte, 1<<20))
			time.Sleep(time.Millisecond)
		}
		return err
	},
	"many": func([]string) error {
		for i := range 1001 {
			if err := os.WriteFile(fmt.Sprintf("%d.txt", i), nil, 0o600); err != nil {
				return err
			}
		}
		return nil
	},
	"orphan":  func(args []string) error { return startNoting(args[2], &syscall.SysProcAttr{}) },
	"runaway": func(args []string) error { return startNoting(args[2], &syscall.SysProcAttr{Setsid: true}) },
	"orphan, late": func(args []string) error {
		return errors.Join(startNoting(args[2], &syscall.SysProcAttr{}), sleepLong())
	},
	"runaway, late": func(args []string) error {
		return errors.Join(startNoting(args[2], &syscall.SysProcAttr{Setsid: true}), sleepLong())
	},
}

func sleepLong() error {
	time.Sleep(time.Hour)
	return nil
}

var held [][]byte

// hold takes memory and writes to it, 16 MiB at a time.
func hold(size int) error {
	const step = 16 << 20
	for ; size > 0; size -= step {
		block := make([]byte, step)
		for i := 0; i < step; i += 4096 {
			block[i] = 1
		}
		held = append(held, block)
	}
	return nil
}

func start(name string) error { return exec.Command("/proc/self/exe", "program", name).Start() }

// startNoting starts a grandchild that holds our stdout, and writes its pid to path.
func startNoting(path string, attr *syscall.SysProcAttr) error {
	cmd := exec.Command("/proc/self/exe", "program", "sleep")
	cmd.SysProcAttr, cmd.Stdout = attr, os.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	return os.WriteFile(path, fmt.Append(nil, cmd.Process.Pid), 0o600)
}
