-- Who writes the feed, and until when (seconds since 1970), where no lock can say so: a lock belongs
-- to a connection to the server, which a pooler gives to others.
ALTER TABLE feeds ADD COLUMN holder TEXT;
ALTER TABLE feeds ADD COLUMN held_until BIGINT NOT NULL DEFAULT 0;
