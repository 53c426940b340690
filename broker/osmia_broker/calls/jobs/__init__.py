"""Jobs and workers: polls and streams that wait for jobs, reports on them, pauses and limits."""
