-- What control learned of a task from its result backend or its worker: see
-- task_row_bytes.
ALTER TABLE tasks ADD COLUMN learned BYTEA;
