package execution

import "time"

// Asked is what events tell of a request: for lists and searches, not to repeat it.
type Asked struct {
	Sender    string    `json:"sender,omitempty"`
	Method    string    `json:"method,omitempty"`
	Class     string    `json:"class,omitempty"`
	Deadline  time.Time `json:"deadline,omitzero"`
	Files     []string  `json:"files,omitempty"` // the first names
	FileCount int       `json:"file_count"`
	Bytes     int64     `json:"bytes,omitempty"` // of all files, as the request claims; 0 when it doesn't
}

// maxAskedFiles is how many names an event repeats.
const maxAskedFiles = 20

// Asked returns what events tell of r.
func (r Request) Asked() *Asked {
	a := &Asked{Sender: r.Sender, Method: r.Method, Class: r.Class, Deadline: r.Deadline, FileCount: len(r.Inputs), Bytes: r.Bytes()}
	for _, in := range r.Inputs[:min(len(r.Inputs), maxAskedFiles)] {
		a.Files = append(a.Files, in.Filename)
	}
	return a
}

// Asked returns what events tell of the request that o answers, as far as o knows it.
func (o Outcome) Asked() *Asked {
	if len(o.Inputs) == 0 && o.Sender == "" && o.Method == "" && o.Class == "" && o.Deadline.IsZero() {
		return nil
	}
	a := &Asked{Sender: o.Sender, Method: o.Method, Class: o.Class, Deadline: o.Deadline, FileCount: len(o.Inputs)}
	for _, in := range o.Inputs[:min(len(o.Inputs), maxAskedFiles)] {
		a.Files = append(a.Files, in.Name)
	}
	return a
}
