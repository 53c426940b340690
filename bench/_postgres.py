"""The server of PostgreSQL that measurements use."""

from tests import postgres


def newest() -> postgres.Server:
    """Start a server of the newest version that is here, with its usual settings: each commit is on the disk. The caller stops it."""
    versions = postgres.versions()
    return postgres.Server(versions[max(versions, key=int)], durable=True)
