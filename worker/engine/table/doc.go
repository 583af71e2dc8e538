// Package table holds rows as typed columns.
//
// Nothing is copied that need not be: a text cell is a [Span] of bytes that its
// whole chunk shares, and every buffer is reused for the chunk after. The
// surprise is where nulls are: decimals and dates carry them in the value ([NaN]
// and [NaT]), because arithmetic and comparison then need no second look; the
// other kinds have a bitmap beside their values.
package table
