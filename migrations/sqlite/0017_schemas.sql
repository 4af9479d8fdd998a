-- PostgreSQL only: a database of SQLite has one schema.
SELECT 1;
