// Package k8s holds the manifests beside it against the types of those who read them,
// and against rules of our own.
//
// It is a module of its own: those types are many, and nothing that runs needs them.
package k8s
