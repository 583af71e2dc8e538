// Package sim runs the commit protocol on simulated servers, from one seed.
//
// The code under test is the real one: producer, queue, guard, lock, state,
// outcome, executor, bridge and the Lambda's handler. What is simulated is what
// they talk to, JetStream and the object store, and the processes they run in.
// A seed decides every latency and every fault, the clock is synctest's, and a
// checker looks at every change the servers make. A seed that fails, fails again
// in the same way.
//
// A seed also decides what fleet it is: how many workers, and bridges that contend for
// the lead; whether the Lambda is asked and answers or takes events; whether it has a
// budget. And it may suffer what only the reconciler mends: messages that a restored
// server has lost, buckets that go back to an older copy, an outcome that is all that
// is left of an execution.
//
// What an operation meets is a hash of the seed, who does it, what it is, and how
// often it was done before. Nothing is drawn from a shared sequence, so the order
// in which the scheduler happens to run goroutines changes nothing.
package sim
