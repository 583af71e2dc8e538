package processor

import (
	"crypto/sha256"
	"sync"

	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine"
)

// program is a configuration read and, as far as it was needed, compiled.
type program struct {
	config *spec.Config
	issues spec.Issues

	mu       sync.Mutex
	programs map[string]*engine.Program // by extension, which decides the selection
}

func (p *program) compiled(selection spec.Selection, extension string) *engine.Program {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.programs[extension]; c != nil {
		return c
	}
	c := engine.Compile(selection)
	p.programs[extension] = c
	return c
}

// maxPrograms is how many configurations a process remembers. A worker meets few
// of them, over and over.
const maxPrograms = 64

// programs remembers configurations by their content, the latest used last.
type programs struct {
	mu      sync.Mutex
	entries map[[sha256.Size]byte]*program
	order   [][sha256.Size]byte
}

func (c *programs) load(name string, config []byte) *program {
	hash := sha256.New()
	hash.Write([]byte(name)) // it stands in messages
	hash.Write([]byte{0})
	hash.Write(config)
	var key [sha256.Size]byte
	hash.Sum(key[:0])
	if p := c.recall(key); p != nil {
		return p
	}
	p := &program{programs: map[string]*engine.Program{}}
	p.config, p.issues = spec.Parse(name, config)
	c.remember(key, p)
	return p
}

func (c *programs) recall(key [sha256.Size]byte) *program {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.entries[key]
	if p != nil {
		c.touch(key)
	}
	return p
}

func (c *programs) remember(key [sha256.Size]byte, p *program) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = map[[sha256.Size]byte]*program{}
	}
	if len(c.entries) >= maxPrograms {
		delete(c.entries, c.order[0])
		c.order = c.order[1:]
	}
	c.entries[key] = p
	c.touch(key)
}

// touch moves a key to the end of the order.
func (c *programs) touch(key [sha256.Size]byte) {
	for i, k := range c.order {
		if k == key {
			c.order = append(c.order[:i], c.order[i+1:]...)
			break
		}
	}
	c.order = append(c.order, key)
}
