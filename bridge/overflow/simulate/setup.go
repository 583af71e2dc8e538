package simulate

import "github.com/sagefleet/sagefleet/bridge/budget"

// Setup is the fleet that does the work, and its prices in USD.
type Setup struct {
	Replicas     int
	Slots        int     // of one replica
	ReplicaPrice float64 // of one hour of one replica
	Cloud        Cloud
	Span         float64 // seconds that the replicas are paid for
	Deadline     float64 // the shortest of all, in seconds after acceptance

	Budget budget.Config // of the cloud
	// Timeouts of the functions that work may go to, ascending. The smallest that is twice
	// what a file is expected to take serves it; its whole timeout is reserved.
	Timeouts []float64
	Order    Order
	Crash    func(id string, step Step) bool // whether the bridge dies there; nil is never
}

// Cloud is a Lambda function. Times are in seconds.
type Cloud struct {
	MemoryMB    float64
	GBSecond    float64 // USD
	Request     float64 // USD
	KeepAlive   float64 // how long an environment waits for more work
	Concurrency int     // environments at once
	NewPerSec   float64 // environments that can start in a second, and at once
}

// Order is how work is chosen that the budget leaves waiting.
type Order int

// Orders. The product has Oldest, without OVERFLOW_DEADLINE, and Workers, with it.
const (
	Oldest   Order = iota // as it came, also when it is late already
	Workers               // slots take the oldest that can still end in time, but for every fourth turn; bridges the oldest
	Declined              // the same, and bridges take nothing while the oldest can't end in time even in the cloud
	Savable               // bridges choose as slots do
	Smallest              // both take the smallest that can end in time, once any is late
)

// Step is where a bridge can die.
type Step int

// Steps of an invocation.
const (
	Reserving Step = iota // reserved, not invoked
	Invoking              // invoked, and nobody waits for the answer
	Settling              // answered, not settled
)

// Standard is the setup of the made-up workloads.
func Standard(replicas int) Setup {
	return Setup{
		Replicas: replicas, Slots: 4, ReplicaPrice: 0.17, Span: horizon, Deadline: 10.4,
		Cloud:    Cloud{MemoryMB: 1769, GBSecond: 0.0000133334, Request: 0.0000002, KeepAlive: 420, Concurrency: 1000, NewPerSec: 100},
		Timeouts: []float64{900},
	}
}

// cost is the price of so many billed seconds.
func (c Cloud) cost(billed float64) float64 { return c.Request + billed*c.MemoryMB/1024*c.GBSecond }

// initAllowance is how long an initialisation may take besides the timeout.
const initAllowance = 10

// worst is what an invocation for j can cost.
func (s Setup) worst(j *Job) float64 {
	expected := 1.1*j.Expected + j.MB/75
	timeout := s.Timeouts[len(s.Timeouts)-1]
	for _, t := range s.Timeouts {
		if t >= 2*expected {
			timeout = t
			break
		}
	}
	return s.Cloud.cost(timeout + initAllowance)
}
