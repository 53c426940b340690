"""A broker as it runs: its parts put together, its processes started and watched, its health and traces shown."""
