-- Issues of the dashboard that somebody has dismissed: hidden while they are in this state.
CREATE TABLE dismissals (
    key   TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    at    BIGINT NOT NULL,
    actor TEXT
);
