-- +goose Up

-- A zero, or an empty text, is the host's default.
ALTER TABLE services ADD COLUMN monitoring TEXT NOT NULL DEFAULT '';
ALTER TABLE services ADD COLUMN check_interval_ms INTEGER NOT NULL DEFAULT 0 CHECK (check_interval_ms >= 0);
ALTER TABLE services ADD COLUMN check_timeout_ms INTEGER NOT NULL DEFAULT 0 CHECK (check_timeout_ms >= 0);
ALTER TABLE services ADD COLUMN check_failures INTEGER NOT NULL DEFAULT 0 CHECK (check_failures >= 0);
ALTER TABLE services ADD COLUMN check_grace_ms INTEGER NOT NULL DEFAULT 0 CHECK (check_grace_ms >= 0);
ALTER TABLE services ADD COLUMN budget_failures INTEGER NOT NULL DEFAULT 0 CHECK (budget_failures >= 0);
ALTER TABLE services ADD COLUMN budget_window_ms INTEGER NOT NULL DEFAULT 0 CHECK (budget_window_ms >= 0);
ALTER TABLE services ADD COLUMN probation_ms INTEGER NOT NULL DEFAULT 0 CHECK (probation_ms >= 0);

ALTER TABLE service_versions ADD COLUMN monitoring TEXT NOT NULL DEFAULT '';
ALTER TABLE service_versions ADD COLUMN check_interval_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE service_versions ADD COLUMN check_timeout_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE service_versions ADD COLUMN check_failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE service_versions ADD COLUMN check_grace_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE service_versions ADD COLUMN budget_failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE service_versions ADD COLUMN budget_window_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE service_versions ADD COLUMN probation_ms INTEGER NOT NULL DEFAULT 0;

-- Tries of a service that the failure rule has disabled.
ALTER TABLE recovery ADD COLUMN trials INTEGER NOT NULL DEFAULT 0 CHECK (trials >= 0);

-- The latest results of monitoring commands.
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
