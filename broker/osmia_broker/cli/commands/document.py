"""`osmia document`: upload, download, delete and link one document."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from osmia_broker.base.counted import counted
from osmia_broker.base.system_errors import in_words
from osmia_broker.base.whole_numbers import INT64_MAX
from osmia_broker.cli.failures import unwritten, usage
from osmia_broker.cli.output import Row, moment
from osmia_broker.cli.session import Session, with_session
from osmia_broker.cli.times import duration_option, milliseconds, now_ms

if TYPE_CHECKING:
    from osmia.calls.documents import Document

app = typer.Typer(
    add_completion=False,
    help="One document, a file that processes refer to: upload, download, delete, link.",
    no_args_is_help=True,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The id, as the upload printed it.")]


@app.callback()
def document() -> None:
    """One document: upload, download, delete, link."""


@app.command()
@with_session
def upload(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file; - reads standard input.", allow_dash=True)],
    id: Annotated[str, typer.Option(metavar="ID", help="An id of your own: letters, digits, - and _.")] = "",
    name: Annotated[str, typer.Option(metavar="NAME", help="Its name, if not that of the file.")] = "",
    content_type: Annotated[str, typer.Option("--type", metavar="TYPE", help="Its media type; else by its name.")] = "",
    keep: Annotated[
        timedelta, duration_option(help="Keep it so long; 0s keeps it for ever", default=timedelta(0))
    ] = timedelta(0),
    instance: Annotated[
        int, typer.Option(metavar="KEY", min=0, max=INT64_MAX, help="The process instance that it belongs to.")
    ] = 0,
) -> None:
    """Store a file as a document. With -o json the reference is printed, which is the value of a variable.

    Example: osmia document upload bill.pdf --keep 30d
    """
    import mimetypes

    content, found = _read(file), name or ("" if str(file) == "-" else file.name)
    with session.client() as client:
        stored = client.documents.create(
            content,
            id=id,
            file_name=found,
            content_type=content_type or mimetypes.guess_type(found)[0] or "",
            expires_ms=now_ms() + milliseconds(keep) if keep else 0,
            process_instance_key=instance,
        )
    text = f"Stored {stored.file_name or 'a document'} ({counted(stored.size, 'byte')}) as {stored.id}"
    session.one(_row(stored), key="documentId", text=text)


@app.command()
@with_session
def download(
    session: Session,
    id: Id,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where to write it; else to standard output.")
    ] = None,
) -> None:
    """Write the content of a document to a new file, or to standard output.

    Example: osmia document download 0f3a bill.pdf
    """
    with session.client(found_by=LIST) as client:
        parts = client.documents.stream(id)
        if file is None:
            for part in parts:
                sys.stdout.buffer.write(part)
            return
        first = next(parts)
        try:
            with file.open("xb") as target:
                size = target.write(first) + sum(map(target.write, parts))
        except OSError as error:
            raise unwritten(error) from error
    session.one(
        {"documentId": id, "file": str(file), "size": size},
        key="documentId",
        text=f"Wrote {counted(size, 'byte')} to {file}",
    )


@app.command()
@with_session
def delete(session: Session, id: Id) -> None:
    """Delete a document. Variables that refer to it keep their values.

    Example: osmia document delete 0f3a --yes
    """
    session.confirm(f"Delete document {id}? Variables that refer to it lead to nothing then.")
    with session.client(found_by=LIST) as client:
        client.documents.delete(id)
    session.one({"documentId": id}, key="documentId", text=f"Deleted {id}")


@app.command()
@with_session
def link(
    session: Session,
    id: Id,
    ttl: Annotated[
        timedelta, duration_option(help="How long it is good, up to 7d", default=timedelta(hours=1))
    ] = timedelta(hours=1),
    http: Annotated[str, typer.Option(metavar="URL", help="The broker's HTTP address, to print a whole address.")] = "",
) -> None:
    """Print an address under which anybody can read a document for some time. It stands below the broker's HTTP address.

    Example: osmia document link 0f3a --ttl 10m --http http://127.0.0.1:8080
    """
    with session.client(found_by=LIST) as client:
        made = client.documents.link(id, time_to_live_ms=milliseconds(ttl))
    address = http.rstrip("/") + made.path
    row = {"documentId": id, "url": address, "expiresAt": moment(made.expires_ms)}
    session.one(row, key="url", text=address)


LIST = "osmia document upload FILE"


def _read(file: Path) -> bytes:
    """Read a file, or standard input.

    Raises:
        Failure: USAGE; it cannot be read.
    """
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise usage(f"Expected to read '{file}', but found: {in_words(error)}.") from error


def _row(document: "Document") -> Row:
    return {**document.reference, "expiresAt": moment(document.expires_ms)}
