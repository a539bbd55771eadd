package panel

import "testing"

func TestEnforcementSentence(t *testing.T) {
	for want, e := range map[string]Enforcement{
		"Control groups (v1) limit memory, processor time and processes.": {Rung: RungV1, Memory: true, CPU: true, Processes: true},
		"Control groups (v2) limit memory, processor time and processes.": {Rung: RungV2, Memory: true, CPU: true, Processes: true},
		"Control groups (v2) limit memory and processes. Nothing limits processor time here: not delegated.": {
			Rung: RungV2, Memory: true, Processes: true, Reason: "not delegated"},
		"Nothing limits memory, processor time and processes here: upkeep may not make control groups.": {
			Rung: RungProcess, Reason: "upkeep may not make control groups"},
		"Nothing limits memory and processor time here. Processes are limited for each Unix user.": {
			Rung: RungProcess, PerUser: true},
	} {
		if got := e.Sentence(); got != want {
			t.Errorf("%+v:\n got %q\nwant %q", e, got, want)
		}
	}
}
