package api

import "github.com/sagefleet/sagefleet/producer/access"

// Document is what /openapi.json serves.
func Document() []byte { return documentJSON() }

// Route is one of the routes, for tests that must know them all.
type Route struct {
	Method, Path string
	Role         access.Role
	Public       bool
}

// Routes are all there are.
func Routes() (all []Route) {
	for _, r := range routes {
		all = append(all, Route{r.method, r.path, r.role, r.where == public})
	}
	return all
}
