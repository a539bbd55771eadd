package store

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write schema.sql instead of comparing with it")

// TestSchema holds what all migrations make together against schema.sql, which is there to be read in review.
func TestSchema(t *testing.T) {
	s := newStore(t)
	all := must(list(t.Context(), s.readers, column[string], `
		SELECT sql || ';' FROM sqlite_schema
		WHERE sql IS NOT NULL AND tbl_name NOT IN (?, 'sqlite_sequence')
		ORDER BY tbl_name, type DESC, name`, versionTable))(t)
	got := strings.Join(all, "\n\n") + "\n"
	if *update {
		if err := os.WriteFile("schema.sql", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := must(os.ReadFile("schema.sql"))(t)
	if got != string(want) {
		t.Errorf("got the schema\n%s\nwant, as in schema.sql,\n%s", got, want)
	}
}

func TestEveryTableIsStrict(t *testing.T) {
	s := newStore(t)
	loose := must(list(t.Context(), s.readers, column[string], `
		SELECT name FROM pragma_table_list
		WHERE schema = 'main' AND strict = 0 AND name NOT LIKE 'sqlite_%' AND name <> ?`, versionTable))(t)
	if len(loose) > 0 {
		t.Errorf("not STRICT: %v", loose)
	}
}

func TestMigrationsCanBeRepeated(t *testing.T) {
	s := newStore(t)
	newAccount(t, s, "acme")
	if err := migrate(t.Context(), s.writer, s.path, must(migrations())(t)); err != nil {
		t.Fatal(err)
	}
	must(s.Account(t.Context(), "acme"))(t)
}

// TestLookupsUseAnIndex guards the queries whose cost must not grow with the history.
func TestLookupsUseAnIndex(t *testing.T) {
	s := newStore(t)
	scan := func(r row) (string, error) {
		var id, parent, unused int
		var detail string
		err := r.Scan(&id, &parent, &unused, &detail)
		return detail, err
	}
	for _, c := range []struct{ query, want string }{
		{`SELECT count(*) FROM runs WHERE service_id = 1 AND started_at_ms > 5 AND number > 1`,
			"COVERING INDEX runs_started (service_id=? AND started_at_ms>?)"},
		{`SELECT number FROM runs WHERE service_id = 1 ORDER BY number DESC LIMIT 5`, "PRIMARY KEY (service_id=?)"},
		{selectEvent + `WHERE service_id = 1 ORDER BY id DESC LIMIT 5`, "INDEX events_service (service_id=?)"},
		{selectEvent + `WHERE account_id = 1 ORDER BY id DESC LIMIT 5`, "INDEX events_account (account_id=?)"},
		{`SELECT id FROM events WHERE at_ms < 5 ORDER BY at_ms LIMIT 5`, "INDEX events_at (at_ms<?)"},
		{`SELECT service_id, number FROM runs WHERE ended_at_ms < 5 ORDER BY ended_at_ms LIMIT 5`,
			"INDEX runs_ended (ended_at_ms<?)"},
		{selectService + `WHERE account_id = 1 ORDER BY name`, "(account_id=?)"},
		{selectService + `WHERE port = 1`, "(port=?)"},
	} {
		plan := strings.Join(must(list(t.Context(), s.readers, scan, "EXPLAIN QUERY PLAN "+c.query))(t), "; ")
		if !strings.Contains(plan, c.want) || strings.Contains(plan, "SCAN") || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s\ngot plan %s, want %s", c.query, plan, c.want)
		}
	}
}
