CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- Which policy serves which slot. A row outlives its policy, because generations only grow.
CREATE TABLE slots (
    slot INTEGER PRIMARY KEY,
    profile TEXT NOT NULL,
    mode INTEGER,            -- override; NULL: the profile's own
    adhoc TEXT,              -- digest of a policy that is in no file of the profile directory
    generation INTEGER NOT NULL,
    digest TEXT NOT NULL,    -- of the table in force
    source TEXT,             -- file it came from
    text TEXT NOT NULL,      -- last good text
    freed INTEGER            -- order in which it was given back; NULL: in use
);

CREATE TABLE subjects (
    cgroup INTEGER PRIMARY KEY,
    path BLOB NOT NULL,
    slot INTEGER NOT NULL,
    init_pid INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    names TEXT NOT NULL,     -- JSON
    bound_at INTEGER NOT NULL
);

CREATE TABLE observations (
    profile TEXT NOT NULL,
    subject TEXT NOT NULL,
    session INTEGER NOT NULL,
    operation INTEGER NOT NULL,
    access INTEGER NOT NULL,
    object BLOB NOT NULL,
    own_pid INTEGER,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (profile, subject, session, operation, access, object)
) WITHOUT ROWID;

CREATE TABLE baselines (
    profile TEXT PRIMARY KEY,
    incomplete_since INTEGER,
    reason TEXT
) WITHOUT ROWID;
