package spec_test

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
)

// sales and customers are the catalogs that the expressions of the tests see.
func sales() *spec.Catalog {
	return &spec.Catalog{ID: "sales", Fields: []*spec.Field{
		{Name: "code", Type: spec.Text}, {Name: "name", Type: spec.Text},
		{Name: "quantity", Type: spec.Integer}, {Name: "price", Type: spec.Decimal},
		{Name: "date", Type: spec.Date}, {Name: "due", Type: spec.Date}, {Name: "paid", Type: spec.Boolean},
	}}
}

func customers() *spec.Catalog {
	return &spec.Catalog{ID: "customers", Fields: []*spec.Field{
		{Name: "code", Type: spec.Text}, {Name: "limit", Type: spec.Decimal},
	}}
}

func compileIn(scope spec.Scope, source string) (spec.Expr, spec.Issues) {
	if scope == spec.ScopePackage {
		return spec.Compile(source, scope, sales(), customers())
	}
	return spec.Compile(source, scope, sales())
}

func TestCompileTypes(t *testing.T) {
	t.Parallel()
	row, catalog, pack := spec.ScopeRow, spec.ScopeCatalog, spec.ScopePackage
	tests := map[string]struct {
		scope  spec.Scope
		source string
		want   string // kind of the result, then the expression in prefix form
	}{
		"comparison":          {row, `df['quantity'] > 0`, `column (> quantity 0)`},
		"precedence":          {row, `df['price'] + df['quantity'] * 2 ** 3 ** 2 >= -1`, `column (>= (+ price (* quantity (** 2 (** 3 2)))) -1)`},
		"sign under a power":  {row, `-2 ** 2 < df['price']`, `column (< (- (** 2 2)) price)`},
		"chain":               {row, `0 < df['price'] <= 10`, `column (& (< 0 price) (<= price 10))`},
		"signs of logic":      {row, `(df['price'] > 1) & ~df['paid'] | (df['quantity'] == 1)`, `column (| (& (> price 1) (~ paid)) (== quantity 1))`},
		"words of logic":      {row, `not df['paid'] and df['price'] > 1`, `column (& (~ paid) (> price 1))`},
		"spellings":           {row, `pd.isna(df['code']) | df['code'].isnull() | np.isnan(df['price'])`, `column (| (| (isna code) (isna code)) (isna price))`},
		"operator method":     {row, `df['price'].mul(2).ge(3)`, `column (>= (* price 2) 3)`},
		"defaults":            {row, `df['price'].between(1, 2)`, `column (between price 1 2 "both")`},
		"keyword":             {row, `df['price'].between(right=2, left=1)`, `column (between price 1 2 "both")`},
		"list":                {row, `df['code'].isin(['A', "B",])`, `column (isin code ["A" "B"])`},
		"dates of text":       {row, `df['date'] >= '2024-01-01'`, `column (>= date (to_datetime "2024-01-01" "raise" false nil))`},
		"dates of a list":     {row, `df['date'].isin(['2024-01-01'])`, `column (isin date [(to_datetime "2024-01-01" "raise" false nil)])`},
		"difference of dates": {row, `(df['due'] - df['date']).dt.days <= 30`, `column (<= (dt.days (- due date)) 30)`},
		"timedelta":           {row, `df['due'] - df['date'] < pd.Timedelta(days=3)`, `column (< (- due date) (timedelta 3 "days"))`},
		"now":                 {row, `df['date'] <= pd.Timestamp.now()`, `column (<= date (now))`},
		"str slice":           {row, `df['code'].str[0:2] == 'AB'`, `column (== (str.slice code 0 2) "AB")`},
		"apply":               {row, `df['code'].apply(lambda v: len(v) > 3 if v is not None else False)`, `column (apply code (lambda v (if (notna v) (> (str.len v) 3) false)))`},
		"apply by row":        {row, `df.apply(lambda x: x['price'].astype(float) > x['quantity'], axis=1)`, `column (table.apply sales. (lambda x (> (astype.float x.price) x.quantity)) 1)`},
		"python string":       {row, `df['name'].apply(lambda v: v.strip().startswith('A'))`, `column (apply name (lambda v (str.startswith (str.strip v nil) "A" nil)))`},
		"np.where":            {row, `np.where(df['paid'], df['price'], 0) > 1`, `column (> (if paid price 0) 1)`},
		"map":                 {row, `df['code'].map({'A': 1, 'B': 2}) > 1`, `column (> (map code {"A":1 "B":2}) 1)`},
		"transform":           {row, `df.groupby('code')['price'].transform('sum') < 10`, `column (< (group.transform (group [code] price) "sum") 10)`},
		"duplicated":          {row, `~df.duplicated(subset=['code', 'date'])`, `column (~ (table.duplicated sales. [code date] "first"))`},
		"length of rows":      {catalog, `len(df[df['price'] > 1]) == 0`, `boolean (== (sum (> price 1)) 0)`},
		"filter":              {catalog, `df[df['paid']]['price'].sum() > 0`, `boolean (> (sum (filter price paid)) 0)`},
		"shape":               {catalog, `df.shape[0] > 0 and df.shape[1] == 7`, `boolean (& (> (len sales.) 0) (== (len (columns sales.)) 7))`},
		"number":              {catalog, `len(df.columns) - 7`, `boolean (astype.bool (- (len (columns sales.)) 7))`},
		"keyed":               {catalog, `df.groupby('code')['price'].sum() <= 5`, `keyed column (<= (group.sum (group [code] price)) 5)`},
		"size of groups":      {catalog, `df.groupby(['code', 'date']).size().max() == 1`, `boolean (== (max (group.size (group [code date]))) 1)`},
		"groupby of column":   {catalog, `(df['price'].groupby(df['code']).sum() > 0).all()`, `boolean (all (> (group.sum (group [code] price)) 0))`},
		"isin elsewhere":      {pack, `df['sales']['code'].isin(df['customers']['code'])`, `column (isin sales.code customers.code)`},
		"and elsewhere":       {pack, `df['sales']['paid'] and df['customers']['limit'] > 1`, `boolean (& (all sales.paid) (all (> customers.limit 1)))`},
		"lookup":              {pack, `df['sales']['price'] <= df['customers'].set_index('code').loc[df['sales']['code'], 'limit'].values`, `column (<= sales.price (lookup (index customers.code customers.limit) sales.code))`},
		"sums and index":      {pack, `df['sales'].groupby('code')['price'].sum() <= df['customers'].set_index('code')['limit']`, `keyed column (<= (group.sum (group [sales.code] sales.price)) (index customers.code customers.limit))`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			x, issues := compileIn(tt.scope, tt.source)
			if x == nil {
				t.Fatalf("Compile(%s): %v", tt.source, issues)
			}
			kind := x.Type().Kind.String()
			if x.Type().Kind == spec.Scalar {
				kind = x.Type().Elem.String()
			}
			if got := kind + " " + prefix(x, tt.scope == pack); got != tt.want {
				t.Errorf("Compile(%s)\n got %s\nwant %s", tt.source, got, tt.want)
			}
		})
	}
}

// prefix writes an expression so that its structure can be read.
func prefix(x spec.Expr, qualified bool) string {
	many := func(xs []spec.Expr) string {
		var parts []string
		for _, x := range xs {
			parts = append(parts, prefix(x, qualified))
		}
		return strings.Join(parts, " ")
	}
	switch x := x.(type) {
	case *spec.Literal:
		if s, ok := x.Value.(string); ok {
			return fmt.Sprintf("%q", s)
		}
		return strings.Trim(fmt.Sprint(x.Value), "<>")
	case *spec.List:
		return "[" + many(x.Items) + "]"
	case *spec.Dict:
		var parts []string
		for i := range x.Keys {
			parts = append(parts, prefix(x.Keys[i], qualified)+":"+prefix(x.Values[i], qualified))
		}
		return "{" + strings.Join(parts, " ") + "}"
	case *spec.Table:
		return x.Catalog + "."
	case *spec.Column:
		if qualified {
			return x.Catalog + "." + x.Name
		}
		return x.Name
	case *spec.Param:
		return x.Name
	case *spec.Cell:
		return x.Param.Name + "." + x.Column.Name
	case *spec.Unary:
		return "(" + x.Op.String() + " " + prefix(x.X, qualified) + ")"
	case *spec.Binary:
		return "(" + x.Op.String() + " " + many([]spec.Expr{x.X, x.Y}) + ")"
	case *spec.Cond:
		return "(if " + many([]spec.Expr{x.Test, x.Then, x.Else}) + ")"
	case *spec.Lambda:
		return "(lambda " + x.Param.Name + " " + prefix(x.Body, qualified) + ")"
	case *spec.Call:
		return strings.TrimSuffix("("+string(x.Fn)+" "+many(x.Args), " ") + ")"
	case *spec.Group:
		if x.Value == nil {
			return "(group [" + many(x.Keys) + "])"
		}
		return "(group [" + many(x.Keys) + "] " + prefix(x.Value, qualified) + ")"
	case *spec.Index:
		return "(index " + many([]spec.Expr{x.Key, x.Value}) + ")"
	default:
		return fmt.Sprintf("%T", x)
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	row, catalog, pack := spec.ScopeRow, spec.ScopeCatalog, spec.ScopePackage
	tests := map[string]struct {
		scope    spec.Scope
		source   string
		code     fault.Code
		column   int
		mentions string
	}{
		"empty":                 {row, ` `, spec.CodeRuleSyntax, 1, "empty"},
		"open text":             {row, `df['code] == 1`, spec.CodeRuleSyntax, 4, "never ends"},
		"curly quotes":          {row, `df[‘code’] == 1`, spec.CodeRuleSyntax, 4, "straight quotes"},
		"assignment":            {row, `df['code'] = 'a'`, spec.CodeRuleSyntax, 12, "=="},
		"missing operand":       {row, `df['price'] >`, spec.CodeRuleSyntax, 14, "a value"},
		"two expressions":       {row, `df['price'] df['code']`, spec.CodeRuleSyntax, 13, "an operator"},
		"comprehension":         {row, `[x for x in df]`, spec.CodeRuleUnsupported, 4, "']'"},
		"f-string":              {row, `df['code'] == f'{x}'`, spec.CodeRuleUnsupported, 15, "prefix f"},
		"xor":                   {row, `df['paid'] ^ True`, spec.CodeRuleUnsupported, 12, "'^'"},
		"leading zero":          {row, `df['code'] == 007`, spec.CodeRuleSyntax, 15, "'007'"},
		"unknown column":        {row, `df['qantity'] > 0`, spec.CodeRuleColumn, 4, "'quantity'"},
		"column's case":         {row, `df['CODE'] == 'a'`, spec.CodeRuleColumn, 4, "'code'"},
		"unknown catalog":       {pack, `df['sale']['code'] == 'a'`, spec.CodeRuleCatalog, 4, "'sales'"},
		"catalog left out":      {pack, `df['code'] == 'a'`, spec.CodeRuleCatalog, 4, "choose the catalog first"},
		"placeholder":           {row, `df['price'] > X`, spec.CodeRuleName, 15, "write the value"},
		"bare column":           {row, `price > 0`, spec.CodeRuleName, 1, "df['price']"},
		"unknown function":      {row, `pd.to_datetme(df['date']) > 0`, spec.CodeRuleFunction, 4, "pd.to_datetime"},
		"import":                {row, `__import__('os')`, spec.CodeRuleFunction, 1, "can't run programs"},
		"dunder":                {row, `df.__class__`, spec.CodeRuleMethod, 4, "__class__"},
		"unknown method":        {row, `df['code'].str.matches('a')`, spec.CodeRuleMethod, 16, ".match"},
		"str forgotten":         {row, `df['code'].contains('a')`, spec.CodeRuleMethod, 12, ".str.contains"},
		"not called":            {row, `df['code'].notnull`, spec.CodeRuleSyntax, 12, "notnull(…)"},
		"called":                {row, `df['date'].dt.year() > 1`, spec.CodeRuleSyntax, 19, "without parentheses"},
		"too many arguments":    {row, `df['price'].between(1, 2, 'both', 3)`, spec.CodeRuleArgument, 35, "between(left, right"},
		"missing argument":      {row, `df['price'].between(1)`, spec.CodeRuleArgument, 13, "right"},
		"unknown argument":      {row, `df['code'].str.contains('a', icase=True)`, spec.CodeRuleArgument, 36, "case=…"},
		"argument twice":        {row, `df['price'].between(1, left=2)`, spec.CodeRuleArgument, 29, "twice"},
		"variable pattern":      {row, `df['code'].str.match(df['name'])`, spec.CodeRuleArgument, 22, "a text"},
		"axis missing":          {row, `df.apply(lambda x: True)`, spec.CodeRuleArgument, 4, "axis=1"},
		"str of numbers":        {row, `df['quantity'].str.len() > 1`, spec.CodeRuleType, 20, ".astype(str)"},
		"order of text":         {row, `df['code'] > 0`, spec.CodeRuleType, 12, "no order"},
		"text minus number":     {row, `df['code'] - 1 > 0`, spec.CodeRuleType, 12, ".astype(float)"},
		"float of a column":     {row, `float(df['price']) > 1`, spec.CodeRuleType, 7, "column.astype(float)"},
		"precedence of &":       {row, `df['price'] > 1 & df['paid']`, spec.CodeRuleType, 15, "parentheses"},
		"in a column":           {row, `df['code'] in ['a']`, spec.CodeRuleType, 12, ".isin"},
		"lookahead":             {row, `df['code'].str.match('(?=a)b')`, spec.CodeRuleRegex, 22, "lookaround"},
		"backreference":         {row, `df['code'].str.match(r'(a)\1')`, spec.CodeRuleRegex, 22, "backreferences"},
		"stray parenthesis":     {row, `df['code'].str.match('a)(b')`, spec.CodeRuleRegex, 22, "RE2"},
		"result is text":        {row, `df['code'].str.upper()`, spec.CodeRuleResult, 16, "true or false"},
		"result is a table":     {row, `df`, spec.CodeRuleType, 1, "df['column']"},
		"result by key":         {row, `df.groupby('code')['price'].sum() > 0`, spec.CodeRuleRows, 35, "transform"},
		"column meets key":      {catalog, `df['price'] > df.groupby('code')['price'].sum()`, spec.CodeRuleRows, 13, "transform"},
		"lambda meets column":   {row, `df['price'].apply(lambda v: (v > df['price']).all())`, spec.CodeRuleUnsupported, 32, "lambda"},
		"filter of others":      {pack, `df['sales'][df['customers']['limit'] > 1]['price'].sum() > 0`, spec.CodeRuleRows, 1, "sales"},
		"nested brackets":       {row, strings.Repeat("(", 1000), spec.CodeRuleTooLarge, 0, "levels"},
		"long chain":            {row, "1" + strings.Repeat("+1", 5000), spec.CodeRuleTooLarge, 0, "parts"},
		"long rule":             {row, strings.Repeat(" ", 20_000), spec.CodeRuleTooLarge, 1, "bytes"},
		"repeat of a pattern":   {row, `df['code'].str.match('(a{1000}){1000}')`, spec.CodeRuleRegex, 22, "RE2"},
		"number without limits": {row, `df['price'] > 1e400`, spec.CodeRuleSyntax, 15, "not a number"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			x, issues := compileIn(tt.scope, tt.source)
			i := slices.IndexFunc(issues, func(i spec.Issue) bool { return i.Severity == spec.Error })
			if x != nil || i < 0 {
				t.Fatalf("Compile(%.80s) = %v, %v; want %s", tt.source, x, issues, tt.code)
			}
			issue := issues[i]
			if issue.Code != tt.code || tt.column != 0 && issue.Column != tt.column || !strings.Contains(issue.String(), tt.mentions) {
				t.Errorf("Compile(%.80s):\n%v\nwant %s in column %d, mentioning %q", tt.source, issue, tt.code, tt.column, tt.mentions)
			}
			if issue.Expected == "" && issue.Hint == "" {
				t.Errorf("%v: says neither what was expected nor what to do", issue)
			}
		})
	}
}

func TestCompileWarns(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		scope  spec.Scope
		source string
		code   fault.Code
	}{
		"and":              {spec.ScopeRow, `df['paid'] and df['price'] > 1`, spec.CodeRuleKeyword},
		"never equal":      {spec.ScopeRow, `df['code'] == 1`, spec.CodeRuleNeverEqual},
		"never in":         {spec.ScopeRow, `df['quantity'].isin(['1'])`, spec.CodeRuleNeverEqual},
		"other catalog":    {spec.ScopePackage, `df['sales']['price'] == df['customers']['limit']`, spec.CodeRuleAlignment},
		"number as result": {spec.ScopeCatalog, `len(df)`, spec.CodeRuleNotBoolean},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			x, issues := compileIn(tt.scope, tt.source)
			if x == nil || len(issues) != 1 || issues[0].Code != tt.code || issues[0].Severity != spec.Warning {
				t.Errorf("Compile(%s) = %v, %v; want the warning %s", tt.source, x, issues, tt.code)
			}
		})
	}
}

// refused are the rules among the 79 that stand for something to be filled in.
var refused = map[string]fault.Code{
	`df['columna'].astype(float) > X`:  spec.CodeRuleName,
	`df['columna'].astype(float) >= X`: spec.CodeRuleName,
	`df['columna'] > X`:                spec.CodeRuleName,
	`float(df['columna']) > X`:         spec.CodeRuleType,
}

func TestCompileRulesInUse(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/rules.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		scope, catalogs := fitting(lines.Text())
		x, issues := spec.Compile(lines.Text(), scope, catalogs...)
		code, want := refused[lines.Text()]
		if want && (x != nil || issues[0].Code != code) || !want && (x == nil || issues.Errors() > 0) {
			t.Errorf("%s: %v", lines.Text(), issues)
		}
	}
	if n != 79 {
		t.Errorf("%d rules were read, not 79", n)
	}
}

var (
	quotedNames = regexp.MustCompile(`'([^']+)'`)
	twoLevels   = regexp.MustCompile(`df\['\w+'\](\['|\.groupby|\.set_index)`)
	numbersIn   = regexp.MustCompile(`df\['(\w+)'\]( [-+*/<>]|\.(sum|min|max))`)
	products    = regexp.MustCompile(`[*/(=-] ?\(?df\['(\w+)'\]`)
)

// fitting makes catalogs in which a rule's columns have the types it needs.
func fitting(source string) (spec.Scope, []*spec.Catalog) {
	types := map[string]spec.FieldType{}
	for _, m := range quotedNames.FindAllStringSubmatch(source, -1) {
		types[m[1]] = spec.Text
	}
	if twoLevels.MatchString(source) {
		var catalogs []*spec.Catalog
		for id := range types {
			c := &spec.Catalog{ID: id}
			for name := range types {
				typ := spec.Text
				if slices.Contains([]string{"cantidad", "existencias", "precio", "precio_unitario"}, name) {
					typ = spec.Decimal
				}
				c.Fields = append(c.Fields, &spec.Field{Name: name, Type: typ})
			}
			catalogs = append(catalogs, c)
		}
		return spec.ScopePackage, catalogs
	}
	for _, pattern := range []*regexp.Regexp{numbersIn, products} {
		for _, m := range pattern.FindAllStringSubmatch(source, -1) {
			if !strings.Contains(source, "to_datetime") && !strings.Contains(source, "len(") {
				types[m[1]] = spec.Decimal
			}
		}
	}
	c := &spec.Catalog{ID: "c"}
	for name, typ := range types {
		c.Fields = append(c.Fields, &spec.Field{Name: name, Type: typ})
	}
	return spec.ScopeCatalog, []*spec.Catalog{c}
}
