package htmltest

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
)

const soundPage = `<!doctype html><html lang="en"><head><title>T</title></head><body><main><h1> A
 b </h1>
<form method="post" action="/form">
<input type="hidden" name="version" value="3">
<label>Name <input name="name" value="old"></label>
<label for="c">Command</label><textarea id="c" name="command">a &lt;b&gt;</textarea>
<label><input type="checkbox" name="paused" value="1" checked> Paused</label>
<label><input type="checkbox" name="other" value="1"> Other</label>
<label><input type="radio" name="r" value="1"> 1</label><label><input type="radio" name="r" value="2" checked> 2</label>
<label>Kind <select name="kind"><option value="x">X<option value="y" selected>Y</select></label>
<label>Off <input name="off" value="1" disabled></label>
<button name="then" value="save">Save</button><button name="then" value="restart">Restart</button>
</form></main></body></html>`

// site answers with a page at /, and with what was posted elsewhere.
func site(t *testing.T) *Client {
	return New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			http.SetCookie(w, &http.Cookie{Name: "seen", Value: "yes"})
			fmt.Fprint(w, soundPage)
		case "/go":
			http.Redirect(w, r, "/", http.StatusSeeOther)
		default:
			if err := r.ParseForm(); err != nil {
				t.Error(err)
			}
			fmt.Fprint(w, r.PostForm.Encode(), " ", r.Header.Get("Sec-Fetch-Site"), " ", r.Header.Get("Referer"))
		}
	}))
}

func TestFormSendsWhatABrowserWould(t *testing.T) {
	c := site(t)
	const rest = "&kind=y&name=%s&%sr=2&then=%s&version=3 same-origin "
	got := c.Get("/").Form("form").Set("name", "new").Submit().Body
	want := "command=a+%3Cb%3E" + fmt.Sprintf(rest, "new", "paused=1&", "save") + c.URL("/")
	if got != want {
		t.Errorf("sent %q\nwant %q", got, want)
	}
	got = c.Get("/").Form("form").Check("paused", false).Press("button[value=restart]").Body
	want = "command=a+%3Cb%3E" + fmt.Sprintf(rest, "old", "", "restart") + c.URL("/")
	if got != want {
		t.Errorf("sent %q\nwant %q", got, want)
	}
}

func TestPage(t *testing.T) {
	c := site(t)
	p := c.Get("/go").WantStatus(http.StatusSeeOther).Follow().WantStatus(http.StatusOK).WantSound()
	if got := p.Text("h1"); got != "A b" {
		t.Errorf("text = %q", got)
	}
	if c.Cookie("seen") != "yes" || c.Another().Cookie("seen") != "" {
		t.Error("cookies are lost, or shared by two browsers")
	}
}

func TestProblems(t *testing.T) {
	tests := []struct{ name, html, want string }{
		{"no title", `<html lang=en><main><h1>x</h1></main>`, "no title"},
		{"no language", `<title>x</title><main><h1>x</h1></main>`, "no language"},
		{"two headings", head + `<h1>y</h1>`, "2 elements h1, want 1"},
		{"no main part", `<html lang=en><title>x</title><h1>x</h1>`, "0 elements main, want 1"},
		{"inline script", head + `<script>x</script>`, "1 inline scripts or styles"},
		{"inline style", head + `<p style="x">`, "1 inline scripts or styles"},
		{"handler", head + `<p onclick="x">`, "p: inline handler onclick"},
		{"foreign form", head + `<form action="https://evil.example">`, "form: form that leads to https://evil.example"},
		{"foreign picture", head + `<img src="https://evil.example">`, "img: file from https://evil.example"},
		{"field without a label", head + `<input name="n">`, `field "n" has no label`},
		{"id twice", head + `<p id=a><p id=a>`, `id "a" comes twice`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := New(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, tt.html) }))
			if got := c.Get("/").problems(); !slices.Equal(got, []string{tt.want}) {
				t.Errorf("problems = %q, want %q", got, tt.want)
			}
		})
	}
}

const head = `<html lang=en><title>x</title><main><h1>x</h1></main>`
