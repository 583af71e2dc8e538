package simulate

import "container/heap"

// event is something that will happen.
type event struct {
	at   float64
	kind kind
	job  int

	try int     // of settles: which invocation, and what it is taken to have cost
	usd float64 // the same
}

type kind int

const (
	localEnds kind = iota
	cloudEnds
	comesBack // a message, after the bridge that held it died
	settles   // what is found out later
)

// events yields the earliest first.
type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at < e[j].at }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }

// Push implements [heap.Interface].
func (e *events) Push(x any) { *e = append(*e, x.(event)) }

// Pop implements [heap.Interface].
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (e *events) add(next event) { heap.Push(e, next) }
func (e *events) take() event    { return heap.Pop(e).(event) }
