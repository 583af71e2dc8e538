// Package grafana holds the dashboards and alerting rules beside it against the metrics that
// the code serves, and runs the rules as Prometheus does.
//
// It is a module of its own: Prometheus's rules bring half of Prometheus with them, and nothing
// that runs needs it.
package grafana
