// Package spec reads SAGE's YAML: what files look like, and the rules their
// contents must follow. [Parse] returns the configuration together with
// everything that is wrong with it, never only the first thing.
//
// Rules are written in the subset of Python and pandas that SAGE files use. The
// surprise is that none of it is ever run as Python: [Compile] turns an
// expression into a typed tree ([Expr]) from a closed grammar, in which every
// column is resolved, every regular expression compiled and every call reduced
// to one canonical function with all its arguments in place.
//
// The parser is our own, in the manner of Pratt. go.starlark.net/syntax, the
// obvious candidate, has no power operator, no chained comparison, no `is` and
// refuses the escapes that Python tolerates in '\S'; mending that by rewriting
// its input needs a lexer anyway, and loses the positions people are shown.
package spec
