-- What a person decided about a denial.
CREATE TABLE reviews (
    profile TEXT NOT NULL,
    session INTEGER NOT NULL,
    access TEXT NOT NULL,     -- words, with commas between
    object TEXT NOT NULL,
    decision TEXT NOT NULL,   -- once, rule, deny
    at INTEGER NOT NULL,
    PRIMARY KEY (profile, session, access, object)
) WITHOUT ROWID;

-- Profiles that were demoted to audit; as long as their text is this one, they stay so.
CREATE TABLE breakers (
    profile TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;
