package panel

// Finding is something about a service that a person should know and that stops nobody.
type Finding struct {
	ID    string // of the catalogue of diagnoses: D01, D02 …
	Field string // of the form it concerns; empty for none
	Text  string // one or two sentences: what is so, why it matters, what to do
	Fix   string // value for the field that would cure it; empty when there is none
}
