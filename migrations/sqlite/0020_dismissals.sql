-- Issues of the dashboard that somebody has dismissed: hidden while they are in this state.
CREATE TABLE dismissals (
    key   TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    at    INTEGER NOT NULL,
    actor TEXT
) WITHOUT ROWID;
