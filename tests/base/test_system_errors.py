"""What the system refused is said in words, not in numbers and names of Python."""

import ast
import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from osmia_broker.base import ports
from osmia_broker.base.system_errors import in_words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"), "Connection refused"),
        (
            OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 1, 0, 0), [Errno 111] Connect …"),
            "Connection refused",
        ),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "no machine has this name"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "the service that knows names does not answer"),
        (socket.gaierror(socket.EAI_FAMILY, "ai_family"), "a name that cannot be resolved"),
        (FileNotFoundError(2, "No such file or directory", "/x"), "No such file or directory"),
        (OSError(9, "standard output is closed"), "standard output is closed"),
        (TimeoutError(), "no answer in time"),
        (TimeoutError(110, "Connection timed out"), "Connection timed out"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "bytes that are no text in UTF-8"),
        (ssl.SSLError(1, "[SSL] x (_ssl.c:1)"), "no TLS"),
        (RuntimeError("role 'x' does not exist"), "role 'x' does not exist"),
        (ConnectionError(), "ConnectionError"),
    ],
)
def test_an_error_of_the_system_is_said_in_words(error, words):
    assert in_words(error) == words


@pytest.mark.parametrize(("host", "words"), [("127.0.0.1", "Connection refused"), ("localhost", "Connection refused")])
def test_what_asyncio_raises_where_nobody_listens(host, words, free_port):
    with pytest.raises(OSError) as refused:
        asyncio.run(_connect(host, free_port))
    assert in_words(refused.value) == words


async def _connect(host, port):
    await asyncio.open_connection(host, port)


@pytest.fixture
def free_port():
    """A port on which nobody listens, for as long as the test runs."""
    held, port = ports.hold("127.0.0.1")
    with held:
        yield port


BROKER = Path(__file__).parents[2] / "broker" / "osmia_broker"
SYSTEM = {"OSError", "ConnectionError", "TimeoutError", "gaierror", "FileNotFoundError", "PermissionError"}


def raw_texts(source: str) -> list[int]:
    """The lines of *source* that raise or return the text of a system's error as Python writes it."""
    lines = []
    for handler in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ExceptHandler)):
        names = {one.id for one in ast.walk(handler.type) if isinstance(one, ast.Name)} if handler.type else set()
        if not names & SYSTEM or not handler.name:
            continue
        said = [
            part
            for node in ast.walk(handler)
            if isinstance(node, ast.Raise | ast.Return)
            for part in ast.walk(node)
            if _is_raw(part, handler.name)
        ]
        lines += [part.lineno for part in said]
    return lines


def _is_raw(part: ast.AST, name: str) -> bool:
    """Whether *part* is `{name}` in a text, `str(name)`, or `name.strerror`."""
    match part:
        case (
            ast.FormattedValue(value=ast.Name(id=found)) | ast.Call(func=ast.Name(id="str"), args=[ast.Name(id=found)])
        ):
            return found == name
        case ast.Attribute(value=ast.Name(id=found), attr="strerror"):
            return found == name
    return False


def test_the_rule_finds_a_raw_text():
    assert raw_texts("try: ...\nexcept OSError as error:\n  raise Failure(f'found: {error}')") == [3]
    assert raw_texts("try: ...\nexcept (OSError, ValueError) as error:\n  return str(error)") == [3]
    assert raw_texts("try: ...\nexcept OSError as error:\n  return error.strerror") == [3]
    assert raw_texts("try: ...\nexcept OSError as error:\n  raise Failure(in_words(error)) from error") == []
    assert raw_texts("try: ...\nexcept Rejection as error:\n  raise Failure(f'{error}')") == []


def test_no_raw_text_of_a_system_error_reaches_a_person():
    found = {str(file.relative_to(BROKER)): raw_texts(file.read_text("utf-8")) for file in sorted(BROKER.rglob("*.py"))}
    assert len(found) > 100
    assert {file: lines for file, lines in found.items() if lines} == {}
