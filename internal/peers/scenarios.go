package main

// scenarios are what happens, in the order of the table.
var scenarios = []scenario{
	{name: "kill", quick: true, play: supervisorKilled, rows: []string{
		"supervisor gets SIGKILL: service still alive 2 s later",
		"same: after the supervisor is back",
		"lines lost around that kill"}},
	{name: "term", quick: true, play: supervisorEnded, rows: []string{
		"supervisor gets SIGTERM: service"}},
	{name: "deaf", play: stopDeaf, rows: []string{
		"stop, service ignores TERM (time to die)",
		"... and what it reports meanwhile"}},
	{name: "frozen", quick: true, play: stopFrozen, rows: []string{
		"any status that shows \"frozen\"",
		"stop, service is SIGSTOPped"}},
	{name: "tree", play: stopTree, rows: []string{
		"stop a tree: plain child / TERM-ignoring child / setsid child left alive"}},
	{name: "crash20ms", play: crashAtOnce, rows: []string{
		"crash after 20 ms: starts in 20 s, end state"}},
	{name: "crash1.5s", play: crashSoon, rows: []string{
		"crash after 1.5 s: starts in 30 s, end state"}},
	{name: "held", quick: true, play: outputHeld, rows: []string{
		"main process exits while a grandchild holds stdout: restart seen"}},
	{name: "burst", play: burst, rows: []string{
		"20,000 lines then exit: on disk 4 s later"}},
	{name: "flood", alone: true, play: flood, rows: []string{
		"8 s of flood: MB/s taken, CPU and RSS of the supervisor, bytes on disk"}},
	{name: "deleted", quick: true, play: logDeleted, rows: []string{
		"log file deleted by hand while running"}},
	{name: "full", play: diskFull, rows: []string{
		"log disk full for 4 s, then space again: lines kept"}},
	{name: "symlink", quick: true, play: logPlanted, rows: []string{
		"log directory owned by the user, user plants a symlink to a root-only file"}},
	{name: "eagain", play: forkRefused, rows: []string{
		"fork returns EAGAIN for 6 s: supervisor / time to recover"}},
	{name: "directory", quick: true, play: directoryMissing, rows: []string{
		"working directory missing"}},
	{name: "user", quick: true, play: userUnknown, rows: []string{
		"unknown user"}},
	{name: "inherit", quick: true, play: inherited, rows: []string{
		"runs as user with an extra group (supervisor itself has groups 4, 27)",
		"umask / no new privileges / capabilities",
		"signals ignored or blocked in the child",
		"session leader / process group leader",
		"HOME of the service",
		"a secret in the supervisor's environment reaches the service",
		"extra fds in the child"}},
}
