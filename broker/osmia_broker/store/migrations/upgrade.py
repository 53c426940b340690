"""Bring an older file to the newest schema. Imported only when there is such a file, because Alembic is slow to import."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

SCRIPTS = Path(__file__).parent


def is_known(version: str) -> bool:
    """Return whether *version* is the name of a revision."""
    return any(revision.revision == version for revision in _scripts().walk_revisions())


def run(path: Path, to: str = "head") -> None:
    """Run all revisions up to *to* that the file *path* has not seen; all of them or none.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: one of them failed; the file is as it was.

    """
    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, to)
            connection.commit()
    finally:
        engine.dispose()


async def run_postgres(url: str, *begin: str, to: str = "head") -> None:
    """Run all revisions up to *to* that the database of PostgreSQL at *url* has not seen, in one transaction that begins with these statements.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: one of them failed; the database is as it was.

    """
    from sqlalchemy.ext.asyncio import create_async_engine

    from osmia_broker.store.postgres.connection import driver

    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: driver().connect(url))
    try:
        async with engine.begin() as connection:
            for statement in begin:
                await connection.exec_driver_sql(statement)
            await connection.run_sync(_upgrade, to)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, to: str) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
