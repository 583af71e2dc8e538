// Package peers compares the fleet with River and asynq: the same files through the
// same engine under the same configuration, as many at once, with results that are
// as durable, in processes of their own, one system after the other.
//
// It is a module of its own, so that the fleet's requires neither their clients nor
// their databases'. All of it is tests and a benchmark; `task peers` runs that.
package peers
