-- Ours. The row that a job works on, out of the path in its subject, which a process of an earlier
-- version writes alone. NULL for a path of another form. One statement: both columns cost one copy of
-- the table.
ALTER TABLE api_job
  ADD COLUMN subject_what VARCHAR(255) GENERATED ALWAYS AS (
    CASE WHEN subject REGEXP '^/v1/[a-z_]+/[0-9]{1,18}$' THEN
      SUBSTRING_INDEX(SUBSTRING_INDEX(subject, '/', 3), '/', -1) END) STORED,
  ADD COLUMN subject_id BIGINT GENERATED ALWAYS AS (
    CASE WHEN subject REGEXP '^/v1/[a-z_]+/[0-9]{1,18}$' THEN
      CAST(SUBSTRING_INDEX(subject, '/', -1) AS SIGNED) END) STORED;
