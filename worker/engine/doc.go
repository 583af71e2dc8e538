// Package engine checks files against a configuration: columns, types, required
// and unique fields, and the rules their author wrote.
//
// [Compile] turns the part of a configuration that a file is checked against
// into a [Program]; [Program.Run] reads the files in chunks, several at a time
// when there are several cores, and keeps no row. Only the columns that some rule
// needs as a whole (an aggregate, a look-up in another catalog) are kept, in
// columnar form. Counts are exact however many rows fail; the rows of a finding
// are listed up to a limit.
//
// Two things can only be known at the end of a file: that it isn't UTF-8, and
// whether its dates have the day or the month first. The engine assumes the
// usual case, and reads a file again when it turns out to be the other one.
//
// Answers are the same whatever the number of cores, in content and in order.
package engine
