-- Until when everything that was published for a source is stored, or was told as a gap;
-- 0: nobody has said yet. An ingestion that begins later begins after a gap.
ALTER TABLE source_counters ADD COLUMN complete_to BIGINT NOT NULL DEFAULT 0;
