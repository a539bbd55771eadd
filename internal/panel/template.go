package panel

// Template is where a person can start from who adds a service.
type Template struct {
	ID   string // in addresses
	Name string // for people
	// Summary says in a few words for what it is.
	Summary string
	// Definition is what the form is filled with. Name is empty; Port is 0.
	Definition
	Listens   bool     // others connect to the program: the form proposes a port
	Sentences []string // what upkeep will do, and what is special about such programs
	Must      []string // what follows "Your program must"
}
