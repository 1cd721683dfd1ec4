-- Ours. The newest jobs that ended, the last builds of an image, and the attempts that may have left
-- something are found without a look at all the others.
ALTER TABLE api_job ADD KEY ix_api_job_finished (finished);

ALTER TABLE api_job ADD KEY ix_api_job_image (kind, state, image_name);

ALTER TABLE api_job_attempt ADD KEY ix_api_job_attempt_swept (is_swept, job_id);
