package parse

import (
	"encoding/binary"
	"math"
)

// Order says which part of a date like 03/04/2024 is the day. It is a property
// of a whole column.
type Order uint8

// The orders of dates with slashes.
const (
	MonthFirst Order = iota
	DayFirst
)

// Hint is what one date tells about the order of its column.
type Hint uint8

// The hints. Undecided dates are those that both orders accept.
const (
	NoHint    Hint = iota // written with the year first
	Undecided             // both parts could be a month
	IsDay                 // the first part can only be a day
	IsMonth               // the second part can only be a day
)

// The dates that nanoseconds since 1970 reach as whole days.
const (
	MinYear = 1678
	MaxYear = 2261
)

const (
	second = int64(1e9)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// Date reads a date or a date with a time, and returns it as nanoseconds since
// 1970 in UTC: ISO 8601 (2024-03-15, 2024-03-15T10:30:00Z), 2024/03/15,
// 20240315, and day and month in either order before a year of four digits.
func Date(text []byte, order Order) (ns int64, hint Hint, ok bool) {
	date, clock := splitClock(text)
	y, m, d, hint, ok := civil(date, order)
	if !ok || y < MinYear || y > MaxYear || m < 1 || m > 12 || d < 1 || d > daysIn(y, m) {
		return 0, hint, false
	}
	ns = daysSince1970(y, m, d) * day
	if len(clock) > 0 {
		offset, ok := timeOfDay(clock)
		return ns + offset, hint, ok
	}
	return ns, hint, true
}

// splitClock cuts text at the T or the space that precedes a time.
func splitClock(text []byte) (date, clock []byte) {
	for i := 8; i < len(text) && i < 12; i++ {
		if text[i] == 'T' || text[i] == 't' || text[i] == ' ' {
			return text[:i], text[i+1:]
		}
	}
	return text, nil
}

func civil(t []byte, order Order) (y, m, d int, hint Hint, ok bool) {
	switch {
	case len(t) == 10 && (t[4] == '-' || t[4] == '/') && t[7] == t[4]:
		y, m, d, ok = yearFirst(t)
		return y, m, d, NoHint, ok
	case len(t) == 8 && digits(t) >= 0:
		return digits(t[:4]), digits(t[4:6]), digits(t[6:]), NoHint, true
	}
	return slashed(t, order)
}

// yearFirst reads YYYY-MM-DD, which nearly all dates are, without a loop.
func yearFirst(t []byte) (y, m, d int, ok bool) {
	_ = t[9]
	year, month, days := binary.LittleEndian.Uint32(t), binary.LittleEndian.Uint16(t[5:]), binary.LittleEndian.Uint16(t[8:])
	w := word(uint64(year) | uint64(month)<<32 | uint64(days)<<48)
	pairs := w.pairs()
	return int(pairs&0xff)*100 + int(pairs>>16&0xff), int(pairs >> 32 & 0xff), int(pairs >> 48), w.digits()
}

// slashed reads D/M/Y or M/D/Y; the separator may also be a hyphen or a point.
func slashed(t []byte, order Order) (y, m, d int, hint Hint, ok bool) {
	var parts [3]int
	n, start := 0, 0
	for i := 0; i <= len(t); i++ {
		if i < len(t) && t[i] != '/' && t[i] != '-' && t[i] != '.' {
			continue
		}
		if n == 3 || i < len(t) && n > 0 && t[i] != t[start-1] {
			return 0, 0, 0, NoHint, false
		}
		if size := i - start; n < 2 && (size < 1 || size > 2) || n == 2 && size != 4 {
			return 0, 0, 0, NoHint, false
		}
		if parts[n] = digits(t[start:i]); parts[n] < 0 {
			return 0, 0, 0, NoHint, false
		}
		n++
		start = i + 1
	}
	if n != 3 {
		return 0, 0, 0, NoHint, false
	}
	hint = Undecided
	switch first, second := parts[0] > 12, parts[1] > 12; {
	case first && second, parts[0] > 31, parts[1] > 31: // no date in either order
		return 0, 0, 0, NoHint, false
	case first:
		hint = IsDay
	case second:
		hint = IsMonth
	}
	if order == DayFirst {
		return parts[2], parts[1], parts[0], hint, true
	}
	return parts[2], parts[0], parts[1], hint, true
}

// timeOfDay reads hh:mm[:ss[.fraction]] with Z, a zone offset or nothing. The
// result is less than a day, shifted by the zone to UTC.
func timeOfDay(t []byte) (int64, bool) {
	t, zone, ok := cutZone(t)
	if !ok || len(t) < 5 || t[2] != ':' {
		return 0, false
	}
	h, m := digits(t[:2]), digits(t[3:5])
	ns := int64(h)*hour + int64(m)*minute
	valid := h >= 0 && h < 24 && m >= 0 && m < 60
	if t = t[5:]; len(t) > 0 {
		if len(t) < 3 || t[0] != ':' {
			return 0, false
		}
		s := digits(t[1:3])
		valid = valid && s >= 0 && s < 60
		ns += int64(s) * second
		if t = t[3:]; len(t) > 0 {
			f, ok := fraction(t)
			valid = valid && ok
			ns += f
		}
	}
	return ns - zone, valid
}

func cutZone(t []byte) (rest []byte, offset int64, ok bool) {
	if n := len(t); n > 0 && (t[n-1] == 'Z' || t[n-1] == 'z') {
		return t[:n-1], 0, true
	}
	for i := 5; i < len(t); i++ {
		if t[i] != '+' && t[i] != '-' {
			continue
		}
		z := t[i+1:]
		if len(z) == 5 && z[2] == ':' {
			z = []byte{z[0], z[1], z[3], z[4]}
		}
		hh, mm := -1, 0
		switch len(z) {
		case 4:
			hh, mm = digits(z[:2]), digits(z[2:])
		case 2:
			hh = digits(z)
		}
		offset = int64(hh)*hour + int64(mm)*minute
		if t[i] == '-' {
			offset = -offset
		}
		return t[:i], offset, hh >= 0 && hh < 24 && mm >= 0 && mm < 60
	}
	return t, 0, true
}

// fraction reads .123 as nanoseconds; what is finer than those is dropped.
func fraction(t []byte) (int64, bool) {
	if t[0] != '.' && t[0] != ',' || len(t) == 1 {
		return 0, false
	}
	var ns int64
	unit := second / 10
	for _, c := range t[1:] {
		if c < '0' || c > '9' {
			return 0, false
		}
		ns += int64(c-'0') * unit
		unit /= 10
	}
	return ns, true
}

// digits is the number that t spells, or -1.
func digits(t []byte) int {
	n := 0
	for _, c := range t {
		d := c - '0'
		if d > 9 || n > math.MaxInt32/10 {
			return -1
		}
		n = n*10 + int(d)
	}
	return n
}

var monthDays = [13]int{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

func daysIn(y, m int) int {
	if m == 2 && y%4 == 0 && (y%100 != 0 || y%400 == 0) {
		return 29
	}
	return monthDays[m]
}

// daysSince1970 counts in years that begin in March, so that the leap day is the
// last of its year and no table is needed (Howard Hinnant, "chrono-compatible
// low-level date algorithms", days_from_civil).
func daysSince1970(y, m, d int) int64 {
	if m <= 2 {
		y--
		m += 12
	}
	era := y / 400
	yearOfEra := y - era*400
	dayOfYear := (153*(m-3)+2)/5 + d - 1
	return int64(era*146097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719468)
}

// Year returns the year of a moment in nanoseconds since 1970, the inverse of
// daysSince1970 as far as it is needed. A division by a constant is a product,
// and the remainder comes with it (Neri and Schneider, "Euclidean affine functions
// and their application to calendar algorithms").
func Year(ns int64) int64 {
	const untilDay0 = 719468 // days from the first of March of the year 0 to 1970
	days := uint32(ns/day + untilDay0)
	if ns%day < 0 {
		days--
	}
	n := 4*days + 3
	century := n / 146097
	n = n%146097 | 3
	product := uint64(n) * 2939745
	year := 100*century + uint32(product>>32)
	if uint32(product)/2939745/4 >= 306 { // January and February belong to the next year
		year++
	}
	return int64(year)
}
