-- So that lists come in pages, and what is gone is found, without reading all. online: whether the
-- worker is; heard: the minute in which it was heard last; both follow from body. gone: the broker
-- has the queue no longer.
ALTER TABLE workers ADD COLUMN online INTEGER NOT NULL DEFAULT 1;
ALTER TABLE workers ADD COLUMN heard INTEGER NOT NULL DEFAULT 0;
ALTER TABLE workers ADD COLUMN hostname TEXT NOT NULL DEFAULT '';
UPDATE workers SET heard = max(beat_at, status_at) / 60000000,
                   hostname = coalesce((SELECT text FROM dict WHERE id = host), '');
CREATE INDEX workers_name ON workers (source, online, hostname);
CREATE INDEX workers_heard ON workers (source, online, heard);

ALTER TABLE queues ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE queues ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;
UPDATE queues SET name = coalesce((SELECT text FROM dict WHERE id = queue), '');
CREATE INDEX queues_name ON queues (source, gone, name);

-- Which online workers consume a queue.
CREATE TABLE consumers (
    source INTEGER NOT NULL,
    queue  INTEGER NOT NULL,
    host   INTEGER NOT NULL,
    PRIMARY KEY (source, queue, host)
) WITHOUT ROWID;
CREATE INDEX consumers_host ON consumers (source, host);
