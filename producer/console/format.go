package console

import (
	"html/template"
	"math"
	"time"
)

// funcs are what templates call, in one language.
func (w *words) funcs() template.FuncMap {
	return template.FuncMap{
		"t": w.T, "n": w.N, "asset": assetURL,
		"number": w.number, "percent": w.percent, "usd": w.usd, "bytes": w.bytes,
		"took": w.took, "lasted": func(s float64) string { return w.took(seconds(s)) }, "ago": w.ago, "clock": clock, "second": second, "stamp": stamp, "iso": iso,
		"meter": newMeter, "tag": tag, "dict": dict,
	}
}

// number writes a count.
func (w *words) number(n any) string { return w.printer.Sprintf("%d", n) }

func (w *words) percent(share float64) string { return w.printer.Sprintf("%.1f %%", share*100) }

// usd writes an amount with the digits that say something: cents of a large one,
// millionths of a small one, billionths of less.
func (w *words) usd(amount float64) string {
	switch a := math.Abs(amount); {
	case a == 0:
		return "$0"
	case a < 0.00001:
		return "$" + w.printer.Sprintf("%.9f", amount)
	case a < 0.01:
		return "$" + w.printer.Sprintf("%.6f", amount)
	case a < 1:
		return "$" + w.printer.Sprintf("%.4f", amount)
	}
	return "$" + w.printer.Sprintf("%.2f", amount)
}

// bytes writes a size in decimal units.
func (w *words) bytes(n any) string {
	var value float64
	switch n := n.(type) {
	case int64:
		value = float64(n)
	case uint64:
		value = float64(n)
	case int:
		value = float64(n)
	}
	if value < 1000 {
		return w.printer.Sprintf("%.0f B", value)
	}
	prefix := -1
	for value >= 999.5 && prefix < 4 {
		value /= 1000
		prefix++
	}
	digits := "%.0f %cB"
	if value < 10 {
		digits = "%.1f %cB"
	}
	return w.printer.Sprintf(digits, value, "kMGTP"[prefix])
}

// took writes a duration with the two or three digits that matter.
func (w *words) took(d time.Duration) string {
	switch {
	case d <= 0: // two machines' clocks
		return "0 ms"
	case d < time.Second:
		return w.printer.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	case d < time.Minute:
		return w.printer.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return w.printer.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return w.printer.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return w.printer.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}

// span is a duration so coarse that it seldom changes.
func (w *words) span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return w.printer.Sprintf("%d s", max(0, int(d.Seconds())))
	case d < time.Hour:
		return w.printer.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return w.printer.Sprintf("%d h", int(d.Hours()))
	}
	return w.printer.Sprintf("%d d", int(d.Hours())/24)
}

func (w *words) ago(t time.Time) string { return w.T("ago", w.span(time.Since(t))) }

func clock(t time.Time) string { return t.Local().Format("15:04:05.000") }

func second(t time.Time) string { return t.Local().Format("15:04:05") }

func stamp(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func iso(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
