-- Who writes the feed, and until when (seconds since 1970), where no lock can say so.
ALTER TABLE feeds ADD COLUMN holder TEXT;
ALTER TABLE feeds ADD COLUMN held_until INTEGER NOT NULL DEFAULT 0;
