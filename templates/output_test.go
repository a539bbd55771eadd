package templates

import (
	"bytes"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"upkeep/internal/panel"
)

// told writes spans as text with their classes, such as "plain[f1 bo:red]".
func told(spans []span) string {
	var b strings.Builder
	for _, s := range spans {
		if s.Class == "" {
			b.WriteString(s.Text)
			continue
		}
		b.WriteString("[" + s.Class + ":" + s.Text + "]")
	}
	return b.String()
}

func TestOutputIsTakenApart(t *testing.T) {
	for name, test := range map[string]struct{ in, want string }{
		"text":                   {"héllo\tworld", "héllo\tworld"},
		"colour":                 {"a\x1b[31mb\x1b[0mc", "a[f1:b]c"},
		"bright and bold":        {"\x1b[1;92mb\x1b[22;39mc", "[f10 bo:b]c"},
		"all styles":             {"\x1b[2;3;4;9mx\x1b[m.", "[di it un st:x]."},
		"styles taken back":      {"\x1b[3;4;9mx\x1b[23;24;29my", "[it un st:x]y"},
		"background":             {"\x1b[31;44mx\x1b[49my", "[b4:x][f1:y]"},
		"bright background":      {"\x1b[103mx", "[b11:x]"},
		"reversed":               {"\x1b[7mx\x1b[31my\x1b[27mz", "[rv:x][b1:y][f1:z]"},
		"underline with a shape": {"\x1b[4:3mx\x1b[4:0my", "[un:x]y"},
		"one of 256":             {"\x1b[38;5;9mx", "[f9:x]"},
		"one of 256, colons":     {"\x1b[38:5:9mx", "[f9:x]"},
		"one of 16 million":      {"\x1b[38;2;255;0;0;1mx", "[f9 bo:x]"},
		"with a colour space":    {"\x1b[48:2::255:255:255mx", "[b15:x]"},
		"colour of the line":     {"\x1b[58;5;9;4mx", "[un:x]"},
		"colour without numbers": {"\x1b[38mx\x1b[38;5my", "xy"},
		"concealed stays seen":   {"\x1b[8msecret", "secret"},
		"cursor and screen":      {"a\x1b[2J\x1b[10;20Hb\x1b[?25lc\x1b(Bd", "abcd"},
		"title":                  {"a\x1b]0;evil\x07b\x1b]2;evil\x1b\\c", "abc"},
		"link":                   {"\x1b]8;;https://evil.example/\x1b\\click\x1b]8;;\x1b\\", "click"},
		"device control":         {"a\x1bP1;2|x\x1b\\b", "ab"},
		"title without an end":   {"a\x1b]0;evil", `a[esc:\x1b]]0;evil`},
		"colour without an end":  {"a\x1b[31", `a[esc:\x1b][31`},
		"escape at the end":      {"a\x1b", `a[esc:\x1b]`},
		"escape before text":     {"a\x1bé", `a[esc:\x1b]é`},
		"too many parameters":    {"\x1b[" + strings.Repeat("1;", 200) + "1mx", "x"},
		"a huge parameter":       {"\x1b[" + strings.Repeat("9", 400) + "mx", "x"},
		"control bytes":          {"a\x00\x07\x08\x7fb", `a[esc:\x00\x07\x08\x7f]b`},
		"invalid UTF-8":          {"a\xff\xc3(b", `a[esc:\xff\xc3](b`},
		"8-bit sequence":         {"\x9b31mx", `[esc:\x9b]31mx`},
		"C1 in UTF-8":            {"a\u0085b", `a[esc:\u0085]b`},
		"turned direction":       {"a\u202eb\u2066", `a[esc:\u202e]b[esc:\u2066]`},
		"zero width":             {"a\u200bb\ufeff", `a[esc:\u200b]b[esc:\ufeff]`},
		"emoji of several":       {"👩\u200d💻", "👩\u200d💻"},
		"a replacement is text":  {"\ufffd", "\ufffd"},
		"Windows line end":       {"a\r\r", "a"},
		"progress":               {"10 %\r\x1b[32m55 %\r100 %", "[f2:100 %]"},
	} {
		if got := told(spansOf([]byte(test.in))); got != test.want {
			t.Errorf("%s:\n got %q\nwant %q", name, got, test.want)
		}
	}
}

func TestLogRows(t *testing.T) {
	rows := logRows([]panel.LogLine{
		{Position: 10, Text: []byte("\x1b[31mred")},
		{Position: 20, Text: []byte("still red")},
		{Position: 30, Text: []byte("upkeep: run 1 ended")},
		{Position: 40, Text: []byte("plain"), Cut: true},
		{Position: 50, Text: []byte("1 %\r2 %")},
		{Position: 60, Text: nil},
	})
	for i, want := range []string{"[f1:red]", "[f1:still red]", "upkeep: run 1 ended", "plain", "2 %", ""} {
		if got := told(rows[i].Spans); got != want {
			t.Errorf("line %d is %q, want %q", i, got, want)
		}
	}
	if rows[1].Own || !rows[2].Own {
		t.Error("the lines of upkeep are not told from those of the program")
	}
	if !rows[3].Cut || !rows[4].Rewritten || rows[0].Rewritten || rows[4].Position != 50 {
		t.Errorf("marks are wrong: %+v", rows)
	}
}

// FuzzLine checks that no output becomes markup, and that nothing but escape sequences is lost.
func FuzzLine(f *testing.F) {
	for _, line := range sampleLog() {
		f.Add(line.Text)
	}
	for _, seed := range []string{
		"</span></li><script>alert(1)</script>", "\x1b[31m<b onmouseover=x>", "\x1b]8;;javascript:x\x07<a>\x1b]8;;\x07",
		"\x1b[\"><img src=x>m", "\xff<\xff>", "a\r<i>\r", "\x1bP<svg>\x1b\\", "&lt;b&gt; &amp;#60;",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.IndexByte(text, '\n') >= 0 {
			return // a line has none
		}
		var b bytes.Buffer
		if err := Line(text).Render(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		doc, err := goquery.NewDocumentFromReader(strings.NewReader("<pre>x" + b.String() + "</pre>"))
		if err != nil {
			t.Fatal(err)
		}
		doc.Find("pre *").Each(func(_ int, s *goquery.Selection) {
			node := s.Nodes[0]
			if node.Data != "span" || len(node.Attr) != 1 || node.Attr[0].Key != "class" {
				t.Errorf("%q became an element %s %v", text, node.Data, node.Attr)
			}
			if strings.Trim(s.AttrOr("class", ""), "abcdefghijklmnopqrstuvwxyz0123456789 ") != "" {
				t.Errorf("%q became a class %q", text, s.AttrOr("class", ""))
			}
		})
		var want strings.Builder
		for _, s := range spansOf(text) {
			want.WriteString(s.Text)
		}
		if got := doc.Find("pre").Text(); got != "x"+want.String() {
			t.Errorf("%q is read as %q, want %q", text, got, "x"+want.String())
		}
		for _, r := range want.String() {
			if invisible(r) && r != '\t' {
				t.Errorf("%q shows the invisible character %U", text, r)
			}
		}
	})
}
