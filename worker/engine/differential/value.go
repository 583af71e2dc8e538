package differential

import "fmt"

// number is an integer or a decimal for each row.
func (s *scribe) number(depth int) string {
	if depth <= 0 {
		return s.choose(func() string { return s.column(number) }, func() string { return s.column(number) }, func() string { return s.literal(number) })
	}
	x := func() string { return s.number(depth - 1) }
	options := []func() string{
		func() string { return fmt.Sprintf("(%s %s %s)", x(), s.oneOf("+", "-", "*", "/", "//", "%"), x()) },
		func() string { return fmt.Sprintf("(%s ** %s)", x(), s.oneOf("0", "1", "2", "0.5")) },
		func() string { return fmt.Sprintf("(-(%s))", x()) },
		func() string { return fmt.Sprintf("abs(%s)", x()) },
		func() string { return fmt.Sprintf("round(%s%s)", x(), s.oneOf("", ", 1", ", 2", ", -1")) },
		func() string { return s.converted(depth - 1) },
		func() string { return s.choice(number, depth-1) },
		func() string { return s.datePart(depth - 1) },
		func() string { return s.size(s.text(depth - 1)) },
		func() string { return s.aggregate() },
	}
	if s.param != "" {
		options = append(options, func() string { return fmt.Sprintf("%s(%s, %s)", s.oneOf("min", "max"), x(), x()) })
		return s.choose(options...)
	}
	options = append(options,
		func() string { return fmt.Sprintf("(%s).fillna(%s)", s.column(number), x()) },
		func() string {
			return fmt.Sprintf("%s.%s(%s)", s.column(number), s.oneOf("shift", "diff"), s.oneOf("", "2", "-1", "0", "100"))
		},
		func() string { return fmt.Sprintf("%s.shift(1, fill_value=%s)", s.column(number), s.oneOf("0", "-1")) },
		func() string { return fmt.Sprintf("%s.cumsum()", s.column(number)) },
		func() string {
			return fmt.Sprintf("%s.map({'a': 1, 'b': 2.5, 'a': %s})", s.column(text), s.literal(number))
		},
		func() string { return fmt.Sprintf("%s.map({1: 10, 2: 20, 0.5: None})", s.column(number)) },
		func() string {
			return fmt.Sprintf("%s.groupby(%s)['%s'].transform('%s')", s.frame, s.keyNames(), s.oneOf("n", "m", "d", "e"),
				s.oneOf("sum", "mean", "min", "max", "count", "nunique", "median", "std"))
		})
	return s.choose(options...)
}

func (s *scribe) keyNames() string {
	return s.oneOf("'k'", "'b'", "'n'", "'d'", "'f'", "['k', 'b']", "['d', 's']")
}

// converted is a text, a truth value or a number made a number.
func (s *scribe) converted(depth int) string {
	fallible := s.IntN(3) == 0
	switch {
	case s.param != "" && fallible:
		return fmt.Sprintf("%s(%s)", s.oneOf("int", "float"), s.column(text))
	case s.param != "":
		return fmt.Sprintf("%s(%s)", s.oneOf("int", "float"), s.number(depth))
	case fallible:
		return s.frame + s.oneOf("['s'].astype(float)", "['s'].astype(int)", "['t'].astype(int)")
	default:
		return s.choose(
			func() string { return fmt.Sprintf("(%s).astype(%s)", s.condition(depth), s.oneOf("int", "float")) },
			func() string { return fmt.Sprintf("(%s).astype(%s)", s.number(depth), s.oneOf("int", "float")) },
			func() string { return fmt.Sprintf("pd.to_numeric(%s, errors='coerce')", s.text(depth)) })
	}
}

func (s *scribe) size(x string) string {
	if s.param != "" {
		return fmt.Sprintf("len(%s)", x)
	}
	return fmt.Sprintf("(%s).str.%s", x, s.oneOf("len()", "count('a')", `count('\\d')`))
}

func (s *scribe) datePart(depth int) string {
	x, part := s.date(depth), s.oneOf("year", "month", "day", "hour", "minute", "second", "weekday", "dayofyear", "quarter")
	if s.param != "" {
		if part == "weekday" {
			part += "()"
		}
		return fmt.Sprintf("(%s).%s", x, part)
	}
	if s.IntN(3) > 0 {
		return fmt.Sprintf("(%s).dt.%s", x, part)
	}
	since := s.choose(func() string { return fmt.Sprintf("(%s - %s)", x, s.date(0)) }, func() string { return s.column(date) + ".diff()" })
	return since + s.oneOf(".dt.days", ".dt.total_seconds()")
}

// aggregate is one number for all rows.
func (s *scribe) aggregate() string {
	column := func(k kind) string { return fmt.Sprintf("%s['%s']", s.frame, pick(s.Rand, columns[k])) }
	x := column(number)
	if s.IntN(4) == 0 {
		x = fmt.Sprintf("%s[%s]", x, column(truthy)+s.oneOf("", ".fillna(True)", ".isna()"))
	}
	return s.choose(
		func() string {
			return x + s.oneOf(".sum()", ".mean()", ".min()", ".max()", ".count()", ".nunique()", ".median()", ".std()")
		},
		func() string {
			return column(kind(s.IntN(4))) + s.oneOf(".count()", ".nunique()", ".nunique(dropna=False)")
		},
		func() string { return column(truthy) + ".sum()" },
		func() string { return fmt.Sprintf("len(%s)", s.frame) },
		func() string { return fmt.Sprintf("len(%s[%s.notna()])", s.frame, column(date)) },
		func() string { return fmt.Sprintf("len(%s.unique())", column(kind(s.IntN(4)))) },
		func() string { return column(text) + ".value_counts().max()" },
		func() string { return s.frame + "['s'].astype(float).sum()" })
}

// ofAll is one truth value for all rows.
func (s *scribe) ofAll(depth int) string {
	column := func(k kind) string { return fmt.Sprintf("%s['%s']", s.frame, pick(s.Rand, columns[k])) }
	options := []func() string{
		func() string {
			return fmt.Sprintf("(%s %s %s)", s.aggregate(), s.oneOf("<", ">=", "==", "!="), s.literal(number))
		},
		func() string { return fmt.Sprintf("(%s %s %s)", s.aggregate(), s.oneOf("<", ">="), s.aggregate()) },
		func() string {
			return fmt.Sprintf("(%s.%s() > %s)", column(text), s.oneOf("min", "max"), s.literal(text))
		},
		func() string {
			return fmt.Sprintf("(%s.max() - %s.min() < pd.Timedelta(days=60))", column(date), column(date))
		},
		func() string { return column(kind(s.IntN(4))) + ".is_unique" },
		func() string { return s.frame + ".empty" },
		func() string { return "'k' in " + s.frame + ".columns" },
	}
	if depth > 0 && s.param == "" {
		options = append(options,
			func() string {
				return fmt.Sprintf("(%s %s (%s)).%s()", s.column(truthy), s.oneOf("|", "&"), s.condition(depth-1), s.oneOf("any", "all"))
			},
			func() string {
				return fmt.Sprintf("(%s %s %s)", s.ofAll(depth-1), s.oneOf("and", "or"), s.ofAll(depth-1))
			})
	}
	return s.choose(options...)
}

// text is a text for each row.
func (s *scribe) text(depth int) string {
	if depth <= 0 {
		return s.column(text)
	}
	x := func() string { return s.text(depth - 1) }
	options := []func() string{
		func() string {
			return s.str(x()) + s.oneOf(".upper()", ".lower()", ".strip()", ".lstrip()", ".rstrip('a ')", ".strip('xA1')", ".title()", ".capitalize()", ".zfill(5)")
		},
		func() string { return s.str(x()) + s.oneOf("[0]", "[-1]", "[5]", "[1:3]", "[:-1]", "[-2:]", "[3:1]") },
		func() string { return s.str(x()) + s.oneOf(".replace('a', 'o')", ".replace('1', '')") },
		func() string { return fmt.Sprintf("(%s + %s)", x(), s.oneOf("'!'", s.column(text))) },
		func() string { return s.choice(text, depth-1) },
	}
	if s.param != "" {
		options = append(options, func() string { return fmt.Sprintf("str(%s)", s.any(kind(1+s.IntN(3)), depth-1)) })
		return s.choose(options...)
	}
	options = append(options,
		func() string { return fmt.Sprintf("(%s).astype(str)", s.any(kind(1+s.IntN(3)), depth-1)) },
		func() string { return fmt.Sprintf("(%s).fillna('?')", s.column(text)) },
		func() string { return fmt.Sprintf(`(%s).str.replace('(\\d)', '<\\1>', regex=True)`, x()) },
		func() string { return fmt.Sprintf("%s.shift(%s)", s.joined(depth-1), s.oneOf("1", "-2")) },
		func() string { return fmt.Sprintf("%s.map({'a': 'x', 'Ana': 'y'})", s.column(text)) },
		func() string {
			return fmt.Sprintf("%s.groupby('b')['t'].transform('%s')", s.frame, s.oneOf("min", "max"))
		})
	return s.choose(options...)
}

// joined is a text with that of a column, so that it has one value per row.
func (s *scribe) joined(depth int) string {
	return fmt.Sprintf("(%s + %s)", s.text(depth), s.column(text))
}

// date is a moment for each row.
func (s *scribe) date(depth int) string {
	if depth <= 0 {
		return s.choose(func() string { return s.column(date) }, func() string { return s.column(date) }, func() string { return s.literal(date) })
	}
	options := []func() string{
		func() string {
			return fmt.Sprintf("(%s %s pd.Timedelta(%s))", s.date(depth-1), s.oneOf("+", "-"), s.oneOf("days=30", "hours=5", "'2 days'"))
		},
		func() string { return s.choice(date, depth-1) },
		func() string { return s.column(date) },
	}
	if s.param == "" {
		options = append(options,
			func() string { return fmt.Sprintf("(%s).dt.date", s.date(depth-1)) },
			func() string { return fmt.Sprintf("%s.shift(%s)", s.column(date), s.oneOf("1", "-1")) },
			func() string { return fmt.Sprintf("%s.fillna('2024-01-01')", s.column(date)) },
			func() string { return fmt.Sprintf("pd.to_datetime(%s, errors='coerce')", s.text(depth-1)) },
			func() string {
				return fmt.Sprintf("(%s + (%s - %s) * 2)", s.column(date), s.column(date), s.column(date))
			})
	}
	return s.choose(options...)
}

// perKey is true or false for each group.
func (s *scribe) perKey() string {
	group := func(of string) string { return fmt.Sprintf("%s.groupby(%s)['%s']", s.frame, s.keyNames(), of) }
	op := s.oneOf("<", "<=", ">", ">=", "==", "!=")
	return s.choose(
		func() string {
			return fmt.Sprintf("%s.%s %s %s", group(s.oneOf("n", "m", "d", "e")), s.oneOf("sum()", "mean()", "min()", "max()", "median()", "std()"), op, s.literal(number))
		},
		func() string {
			return fmt.Sprintf("%s.%s %s 2", group(s.oneOf("k", "t", "f", "b")), s.oneOf("count()", "nunique()"), op)
		},
		func() string { return fmt.Sprintf("%s.groupby(%s).size() %s 2", s.frame, s.keyNames(), op) },
		func() string { return fmt.Sprintf("%s.value_counts() %s 2", s.column(kind(s.IntN(4))), op) },
		func() string {
			key := s.keyNames()
			return fmt.Sprintf("%s.groupby(%s)['n'].sum() %s %s.groupby(%s)['d'].max() * 2", s.frame, key, op, s.frame, key)
		},
		func() string {
			return fmt.Sprintf("~(%s.%s().isna())", group(s.oneOf("n", "d")), s.oneOf("std", "mean", "max"))
		},
		func() string { return fmt.Sprintf("%s.groupby(%s['k']).max() %s 2", s.column(number), s.frame, op) })
}

// crossing is a rule over two catalogs.
func (s *scribe) crossing() string {
	op := s.oneOf("<", "<=", ">", ">=", "==", "!=")
	key := s.oneOf("k", "s", "n", "d", "f")
	if s.IntN(6) == 0 { // numbers of two types meet
		return fmt.Sprintf("%s.groupby('n')['d'].sum() %s %s.set_index('d')['n']", s.frame, op, s.other)
	}
	return s.choose(
		func() string { return fmt.Sprintf("%s['%s'].isin(%s['%s'])", s.frame, key, s.other, key) },
		func() string { return fmt.Sprintf("~%s['n'].isin(%s['d'].unique())", s.frame, s.other) },
		func() string { return fmt.Sprintf("%s['n'] %s %s['d']", s.frame, op, s.other) },
		func() string { return fmt.Sprintf("len(%s) %s len(%s)", s.frame, op, s.other) },
		func() string { return fmt.Sprintf("%s['n'].sum() %s %s['m'].max()", s.frame, op, s.other) },
		func() string {
			return fmt.Sprintf("%s.groupby('%s')['n'].sum() %s %s.set_index('%s')['d']", s.frame, key, op, s.other, key)
		},
		func() string {
			return fmt.Sprintf("%s['d'] %s %s.set_index('%s').loc[%s['%s'], 'n'].values", s.frame, op, s.other, key, s.frame, key)
		},
		func() string {
			return fmt.Sprintf("%s.set_index('d')['n'].loc[%s['n']].isna()", s.other, s.frame)
		},
		func() string { return fmt.Sprintf("%s['k'].isin(%s['k']) and %s['n'] > 0", s.frame, s.other, s.other) },
		func() string {
			return fmt.Sprintf("%s['n'].apply(lambda v: v > %s['n'].mean() or v in %s['m'])", s.frame, s.other, s.other)
		})
}
