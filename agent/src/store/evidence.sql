-- Observations no longer have a row for each subject: they grow with what is done, not with how many do it.
CREATE TABLE observed (
    profile TEXT NOT NULL,
    session INTEGER NOT NULL,
    operation INTEGER NOT NULL,
    access INTEGER NOT NULL,
    object BLOB NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    count INTEGER NOT NULL,
    windows TEXT NOT NULL,   -- the earliest few windows in which it was seen, with commas between
    runs TEXT NOT NULL,      -- a few of the runs that did it
    own_pids TEXT NOT NULL,  -- a few numbers by which the processes knew themselves
    phases INTEGER NOT NULL, -- 1 start-up, 2 steady, 4 shutdown
    exe TEXT,                -- program of the process
    parent TEXT,             -- program of its parent
    PRIMARY KEY (profile, session, operation, access, object)
) WITHOUT ROWID;

INSERT INTO observed
    SELECT profile, session, operation, access, object, min(first_seen), max(last_seen), sum(count), '', '',
           coalesce(group_concat(DISTINCT own_pid), ''), 0, NULL, NULL
    FROM observations GROUP BY profile, session, operation, access, object;
DROP TABLE observations;
ALTER TABLE observed RENAME TO observations;

-- A subject's life.
CREATE TABLE runs (
    profile TEXT NOT NULL,
    id TEXT NOT NULL,
    subject TEXT NOT NULL,       -- its lasting name
    image TEXT,
    started INTEGER NOT NULL,
    ended INTEGER,               -- NULL: it runs, or nobody saw it end
    from_start INTEGER NOT NULL, -- whether it was recorded from its first program on
    session_at INTEGER,          -- when a session was last seen in it
    PRIMARY KEY (profile, id)
) WITHOUT ROWID;

-- How long it was looked at. In a window each thing that is done is recorded once.
CREATE TABLE windows (
    profile TEXT NOT NULL,
    node TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    length_ms INTEGER NOT NULL,
    units INTEGER NOT NULL,      -- runs that were at work in it
    PRIMARY KEY (profile, node, started_ms)
) WITHOUT ROWID;

CREATE TABLE losses (
    profile TEXT NOT NULL,
    at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (profile, at, reason)
) WITHOUT ROWID;
INSERT INTO losses
    SELECT profile, incomplete_since, coalesce(reason, 'unknown') FROM baselines WHERE incomplete_since IS NOT NULL;
DROP TABLE baselines;
