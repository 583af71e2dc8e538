package table_test

import (
	"slices"
	"testing"

	"github.com/sagefleet/sagefleet/worker/engine/table"
)

func TestBitmapIgnoresItsTail(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 63, 64, 65, 200} {
		b := table.Bitmap(nil).Resize(n)
		b.Fill(n)
		if b.Count() != n {
			t.Errorf("%d bits filled, want %d", b.Count(), n)
		}
		c := table.Bitmap(nil).Resize(n)
		c.Not(nil, n)
		if c.Count() != n {
			t.Errorf("the complement of nothing has %d bits, want %d", c.Count(), n)
		}
		c.Not(b, n)
		if c.Any() {
			t.Errorf("the complement of %d bits isn't empty", n)
		}
		if got := slices.Collect(b.Ones); len(got) != n || n > 0 && got[n-1] != n-1 {
			t.Errorf("Ones of %d bits: %v", n, got)
		}
	}
}

func TestBitmapReusesMemory(t *testing.T) {
	t.Parallel()
	b := table.Bitmap(nil).Resize(1000)
	b.Fill(1000)
	if c := b.Resize(70); c.Any() || &c[0] != &b[0] {
		t.Error("a smaller bitmap isn't clear, or isn't in the same memory")
	}
}

// TestNullsOfEveryKind: what is set null is null, in the mask too, and a column
// used again has no null.
func TestNullsOfEveryKind(t *testing.T) {
	t.Parallel()
	for kind := table.Text; kind <= table.Bool; kind++ {
		var c table.Column
		for range 2 {
			c.Reset(kind, 70)
			for i := range 70 {
				set(&c, i)
				if c.Null(i) {
					t.Fatalf("kind %d: value %d is null before it is made so", kind, i)
				}
			}
			c.SetNull(3)
			c.SetNull(69)
			if got := slices.Collect(c.NullMask(nil).Ones); !slices.Equal(got, []int{3, 69}) || !c.Null(3) || c.Null(4) {
				t.Errorf("kind %d: nulls %v, want 3 and 69", kind, got)
			}
		}
	}
}

func set(c *table.Column, i int) {
	switch c.Kind {
	case table.Text:
		c.SetText(i, []byte{'a' + byte(i%26)})
	case table.Decimal:
		c.Floats[i] = float64(i)
	case table.Bool:
		if i%2 == 0 {
			c.Bits.Set(i)
		}
	default:
		c.Ints[i] = int64(i)
	}
}

func TestAppendWhere(t *testing.T) {
	t.Parallel()
	for kind := table.Text; kind <= table.Bool; kind++ {
		var src, dst table.Column
		src.Reset(kind, 130)
		for i := range 130 {
			set(&src, i)
		}
		src.SetNull(128)
		rows := table.Bitmap(nil).Resize(130)
		for _, i := range []int{0, 5, 64, 128, 129} {
			rows.Set(i)
		}
		if err := dst.Append(&src); err != nil {
			t.Fatal(err)
		}
		if err := dst.AppendWhere(&src, rows); err != nil {
			t.Fatal(err)
		}
		if dst.Len != 135 || !dst.Null(128) || !dst.Null(133) || dst.Null(134) {
			t.Fatalf("kind %d: %d rows; nulls %v", kind, dst.Len, slices.Collect(dst.NullMask(nil).Ones))
		}
		for at, i := range map[int]int{129: 129, 130: 0, 131: 5, 132: 64, 134: 129} {
			if !same(&dst, at, &src, i) {
				t.Errorf("kind %d: row %d isn't row %d of the source", kind, at, i)
			}
		}
	}
}

func same(a *table.Column, i int, b *table.Column, j int) bool {
	switch a.Kind {
	case table.Text:
		return string(a.Text(i)) == string(b.Text(j))
	case table.Decimal:
		return a.Floats[i] == b.Floats[j]
	case table.Bool:
		return a.Bits.Get(i) == b.Bits.Get(j)
	default:
		return a.Ints[i] == b.Ints[j]
	}
}
