"""The rules for settings that depend on each other. Each rule yields what is wrong, and how to put it right."""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from osmia_broker.base.addresses import do_meet, is_loopback, is_safe_url
from osmia_broker.base.ports import PORT_MAX

if TYPE_CHECKING:
    from osmia_broker.settings.config import Settings

DOORS = ("grpc", "http", "management")
SECRET_BYTES_MIN = 16  # of the secret of links: who listens in on a greeting can try shorter ones at home

WORDS = {"oidc_issuer": "https://HOST", "oidc_audience": "NAME"}  #: values in a hint

Breaches = Iterator[tuple[str, str]]  #: what is wrong, and the option or variable that puts it right


def breaches(settings: "Settings") -> Breaches:
    """Yield each rule that is broken."""
    yield from _half_a_sign_in(settings)
    yield from _half_a_link(settings)
    yield from _what_one_process_needs(settings)


def late_breaches(settings: "Settings") -> Breaches:
    """Yield what is worth looking at only if the rest is right."""
    yield from _ports(settings)


def _is_set(settings: "Settings", name: str) -> bool:
    return bool(getattr(settings, name) != settings.__dataclass_fields__[name].default)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _half_a_sign_in(settings: "Settings") -> Breaches:
    """Refuse settings that protect less than their owner believes."""
    for name, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert"), ("tls_client_ca", "tls_cert")):
        if getattr(settings, name) and not getattr(settings, other):
            yield f"Expected {other} too, because {name} is set, but found none", f"{_flag(other)} FILE"
    of_provider = [name for name in settings.__dataclass_fields__ if name.startswith("oidc_")]
    for name, kind in (("users_file", "basic"), *((name, "oidc") for name in of_provider)):
        if settings.auth != kind and _is_set(settings, name):
            yield f"Expected auth to be {kind}, because {name} is set, but found {settings.auth}", f"--auth {kind}"
    if settings.auth == "oidc":
        for name in ("oidc_issuer", "oidc_audience"):
            if not getattr(settings, name).strip():
                yield f"Expected {name}, because auth is oidc, but found none", f"{_flag(name)} {WORDS[name]}"
        if not is_safe_url(settings.oidc_issuer):
            yield (
                f"Expected oidc_issuer to begin with https://, but found '{settings.oidc_issuer}'",
                f"--oidc-issuer {WORDS['oidc_issuer']}",
            )


def _half_a_link(settings: "Settings") -> Breaches:
    """Refuse links that nobody would use, that anybody may use, or that others can listen in on."""
    names = ("links_host", "links_port", "links_address", "links_cert", "links_key", "links_ca")
    for name in names if not settings.links_secret else ():
        if _is_set(settings, name):
            yield f"Expected links_secret too, because {name} is set, but found none", "OSMIA_LINKS_SECRET_FILE=FILE"
    if settings.links_secret and not settings.database_url:
        yield (
            "Expected database_url too, because links_secret is set, but found none",
            "--database-url postgresql://USER@HOST/DATABASE",
        )
    if settings.links_secret and len(settings.links_secret.encode()) < SECRET_BYTES_MIN:
        yield (
            f"Expected links_secret to have at least {SECRET_BYTES_MIN} bytes, but found fewer",
            "openssl rand -hex 32 > FILE",
        )
    found = [name for name in ("links_cert", "links_key", "links_ca") if getattr(settings, name)]
    missing = [name for name in ("links_cert", "links_key", "links_ca") if not getattr(settings, name)]
    if found and missing:
        yield f"Expected {missing[0]} too, because {found[0]} is set, but found none", f"{_flag(missing[0])} FILE"
    if not (found or settings.insecure or is_loopback(settings.links_host)):
        yield (
            f"Expected links_host to be a loopback address, but found '{settings.links_host}', which other machines reach",
            "--links-cert FILE --links-key FILE --links-ca FILE   (or --insecure, if nobody can listen in on that network)",
        )


def _what_one_process_needs(settings: "Settings") -> Breaches:
    """Refuse settings that several processes do not support, and more processes than there is work for."""
    if settings.processes > settings.partitions:
        yield (
            f"Expected processes to be at most {settings.partitions}, the number of partitions, but found {settings.processes}",
            f"--processes {settings.partitions}   (or --partitions {settings.processes} in a new data directory)",
        )
    for name in ("clock_control", "purge_allowed"):  # for tests alone
        if getattr(settings, name) and settings.processes > 1:
            yield (
                f"Expected processes to be 1, because {name} is set, but found {settings.processes}",
                "--processes 1",
            )
        if getattr(settings, name) and settings.links_secret:
            yield f"Expected no links_secret, because {name} is set, but found one", ""


def _ports(settings: "Settings") -> Breaches:
    for door in ("management", "links"):  # each process has one of its own, at the next port
        port = getattr(settings, f"{door}_port")
        last = port + settings.processes - 1
        if port and last > PORT_MAX:
            yield f"Expected ports up to {PORT_MAX}, but {door}_port of process {settings.processes} is {last}", ""
    for one, other in itertools.combinations((*DOORS, "links"), 2):
        port = settings.port_of(other)
        if port and port == settings.port_of(one) and do_meet(settings.host_of(one), settings.host_of(other)):
            yield (
                f"Expected {one}_port and {other}_port to differ, but found {port} for both",
                f"--{other}-port {port + 1 if port < PORT_MAX else port - 1}",
            )
