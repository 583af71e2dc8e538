//go:build tools

package k8s

// The CRDs of KEDA are read from its module. Its Go types would bring a client of
// Kubernetes with them.
import _ "github.com/kedacore/keda/v2/version"
