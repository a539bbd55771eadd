CREATE TABLE accounts (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL UNIQUE
                  CHECK (name GLOB '[a-z0-9]*' AND name NOT GLOB '*[^a-z0-9-]*' AND length(name) <= 31),
    unix_user     TEXT NOT NULL CHECK (unix_user <> ''),
    home          TEXT NOT NULL CHECK (home GLOB '/*'),
    shared        INTEGER NOT NULL CHECK (shared IN (0, 1)),
    created_at_ms INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX accounts_unix_user ON accounts (unix_user) WHERE shared = 0;

CREATE TABLE checks (
    id         INTEGER PRIMARY KEY,
    service_id INTEGER NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    at_ms      INTEGER NOT NULL,
    run        INTEGER NOT NULL,
    outcome    TEXT NOT NULL CHECK (outcome IN ('ok', 'failed', 'not-run')),
    took_ns    INTEGER NOT NULL,
    code       INTEGER NOT NULL,
    signal     INTEGER NOT NULL,
    output     TEXT NOT NULL,
    detail     TEXT NOT NULL
) STRICT;

CREATE INDEX checks_service ON checks (service_id);

CREATE TABLE events (
    id           INTEGER PRIMARY KEY,
    account_id   INTEGER NOT NULL REFERENCES accounts (id),
    service_id   INTEGER REFERENCES services (id) ON DELETE SET NULL, -- NULL: was deleted
    service_name TEXT NOT NULL,                                       -- as it was then
    kind         TEXT NOT NULL CHECK (kind <> ''),
    by_kind      TEXT NOT NULL,
    by_user_id   INTEGER NOT NULL,
    by_name      TEXT NOT NULL,
    at_ms        INTEGER NOT NULL,
    run          INTEGER NOT NULL,
    pid          INTEGER NOT NULL,
    exit         TEXT CHECK (json_valid(exit)),
    outcome      TEXT CHECK (json_valid(outcome)),
    detail       TEXT NOT NULL
) STRICT;

CREATE INDEX events_account ON events (account_id);

CREATE INDEX events_at ON events (at_ms);

CREATE INDEX events_service ON events (service_id);

CREATE TABLE grants (
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, account_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX grants_account ON grants (account_id);

CREATE TABLE links (
    user_id       INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    token_hash    BLOB NOT NULL UNIQUE CHECK (length(token_hash) > 0),
    expires_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE meta (
    name  TEXT PRIMARY KEY CHECK (name <> ''),
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE recovery (
    service_id     INTEGER PRIMARY KEY REFERENCES services (id) ON DELETE CASCADE,
    number         INTEGER NOT NULL DEFAULT 0 CHECK (number >= 0), -- of the latest run; 0: none yet
    version        INTEGER NOT NULL DEFAULT 0,
    shell          INTEGER NOT NULL DEFAULT 0 CHECK (shell IN (0, 1)),
    cause          TEXT NOT NULL DEFAULT '',
    by_kind        TEXT NOT NULL DEFAULT '',
    by_user_id     INTEGER NOT NULL DEFAULT 0,
    by_name        TEXT NOT NULL DEFAULT '',
    started_at_ms  INTEGER NOT NULL DEFAULT 0,
    boot_id        TEXT NOT NULL DEFAULT '',
    pid            INTEGER NOT NULL DEFAULT 0 CHECK (pid >= 0),
    start_ticks    INTEGER NOT NULL DEFAULT 0,
    inode          INTEGER NOT NULL DEFAULT 0,
    cgroup         TEXT NOT NULL DEFAULT '',
    marker         TEXT NOT NULL DEFAULT '',
    live           INTEGER NOT NULL DEFAULT 0 CHECK (live IN (0, 1)),
    last_exit      TEXT CHECK (json_valid(last_exit)),
    failures       TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(failures)), -- milliseconds, oldest first
    tries          INTEGER NOT NULL DEFAULT 0,
    next_try_at_ms INTEGER NOT NULL DEFAULT 0, trials INTEGER NOT NULL DEFAULT 0 CHECK (trials >= 0), -- 0: no start is waited for
    CHECK (live = 0 OR number > 0)
) STRICT;

CREATE TABLE runs (
    service_id    INTEGER NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    number        INTEGER NOT NULL CHECK (number >= 1),
    cause         TEXT NOT NULL,
    by_kind       TEXT NOT NULL,
    by_user_id    INTEGER NOT NULL,
    by_name       TEXT NOT NULL,
    pid           INTEGER NOT NULL CHECK (pid >= 0), -- 0: no process was ever made
    started_at_ms INTEGER NOT NULL,
    ended_at_ms   INTEGER,                           -- NULL: lives
    exit          TEXT CHECK (json_valid(exit)),
    PRIMARY KEY (service_id, number),
    CHECK ((ended_at_ms IS NULL) = (exit IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX runs_ended ON runs (ended_at_ms) WHERE ended_at_ms IS NOT NULL;

CREATE INDEX runs_started ON runs (service_id, started_at_ms);

CREATE TABLE service_versions (
    service_id    INTEGER NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    version       INTEGER NOT NULL CHECK (version >= 1),
    name          TEXT NOT NULL,
    command       TEXT NOT NULL,
    directory     TEXT NOT NULL,
    environment   TEXT NOT NULL,
    port          INTEGER,
    annotation    TEXT NOT NULL,
    by_kind       TEXT NOT NULL,
    by_user_id    INTEGER NOT NULL,
    by_name       TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL, monitoring TEXT NOT NULL DEFAULT '', check_interval_ms INTEGER NOT NULL DEFAULT 0, check_timeout_ms INTEGER NOT NULL DEFAULT 0, check_failures INTEGER NOT NULL DEFAULT 0, check_grace_ms INTEGER NOT NULL DEFAULT 0, budget_failures INTEGER NOT NULL DEFAULT 0, budget_window_ms INTEGER NOT NULL DEFAULT 0, probation_ms INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (service_id, version)
) STRICT;

CREATE TABLE services (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id      INTEGER NOT NULL REFERENCES accounts (id),
    name            TEXT NOT NULL CHECK (name <> ''),
    command         TEXT NOT NULL,
    directory       TEXT NOT NULL,
    environment     TEXT NOT NULL,
    port            INTEGER UNIQUE CHECK (port BETWEEN 1 AND 65535), -- NULL: needs none
    annotation      TEXT NOT NULL,
    version         INTEGER NOT NULL CHECK (version >= 1),
    wanted          TEXT NOT NULL CHECK (wanted IN ('on', 'paused', 'disabled')),
    wanted_since_ms INTEGER NOT NULL,
    by_kind         TEXT NOT NULL, -- who decided what is wanted
    by_user_id      INTEGER NOT NULL,
    by_name         TEXT NOT NULL,
    created_at_ms   INTEGER NOT NULL,
    updated_at_ms   INTEGER NOT NULL, monitoring TEXT NOT NULL DEFAULT '', check_interval_ms INTEGER NOT NULL DEFAULT 0 CHECK (check_interval_ms >= 0), check_timeout_ms INTEGER NOT NULL DEFAULT 0 CHECK (check_timeout_ms >= 0), check_failures INTEGER NOT NULL DEFAULT 0 CHECK (check_failures >= 0), check_grace_ms INTEGER NOT NULL DEFAULT 0 CHECK (check_grace_ms >= 0), budget_failures INTEGER NOT NULL DEFAULT 0 CHECK (budget_failures >= 0), budget_window_ms INTEGER NOT NULL DEFAULT 0 CHECK (budget_window_ms >= 0), probation_ms INTEGER NOT NULL DEFAULT 0 CHECK (probation_ms >= 0), -- of the definition
    UNIQUE (account_id, name)
) STRICT;

CREATE TABLE sessions (
    id_hash         BLOB PRIMARY KEY CHECK (length(id_hash) > 0),
    user_id         INTEGER REFERENCES users (id) ON DELETE CASCADE, -- NULL: not signed in
    data            BLOB NOT NULL,
    created_at_ms   INTEGER NOT NULL,
    last_seen_at_ms INTEGER NOT NULL,
    expires_at_ms   INTEGER NOT NULL,
    -- A deleted session stays here until it would have expired, so that a request that was under way cannot
    -- bring it back by saving it.
    deleted         INTEGER NOT NULL CHECK (deleted IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_expires ON sessions (expires_at_ms);

CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    email         TEXT NOT NULL UNIQUE CHECK (email <> '' AND email = lower(email)),
    password_hash TEXT NOT NULL, -- empty: no password yet
    admin         INTEGER NOT NULL CHECK (admin IN (0, 1)),
    created_at_ms INTEGER NOT NULL
) STRICT;
