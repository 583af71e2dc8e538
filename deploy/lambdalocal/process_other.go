//go:build !unix

package lambdalocal

import (
	"os"
	"os/exec"
)

// isolate does nothing: there are no process groups to lead.
func isolate(*exec.Cmd) {}

// killGroup kills p alone.
func killGroup(p *os.Process) { p.Kill() }

// freezeGroup and thawGroup do nothing: processes can't be stopped here.
func freezeGroup(*os.Process) {}
func thawGroup(*os.Process)   {}

// terminate ends p, which can't be asked to.
func terminate(p *os.Process) { p.Kill() }

// peakMemory is 0, which is unknown, where no file tells it.
func peakMemory(int) int64 { return 0 }

func peakMemoryOf(*os.ProcessState) int64 { return 0 }

// read takes what the process writes until nobody holds the other end.
func (o *output) read() {
	buf := make([]byte, maxTail)
	for {
		n, err := o.pipe.Read(buf)
		if n > 0 {
			o.mu.Lock()
			o.append(buf[:n])
			o.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

// drain does nothing: a tail may lack the last lines here.
func (o *output) drain() {}
