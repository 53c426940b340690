"""Certificates for tests, of authorities that live as long as the test process."""

from datetime import datetime
from functools import cache
from pathlib import Path

import trustme


@cache
def authority(name: str) -> trustme.CA:
    return trustme.CA(organization_name=name)


@cache
def certificate(of: str, number: int, host: str, not_after: datetime | None = None) -> trustme.LeafCert:
    return authority(of).issue_cert(host, common_name=f"{host} {number}", not_after=not_after)


def write(
    folder: Path,
    *,
    of: str = "ours",
    number: int = 1,
    host: str = "127.0.0.1",
    name: str = "door",
    not_after: datetime | None = None,
) -> dict[str, Path]:
    """Write a certificate, its key, and the authority that signed it, as the settings of a broker."""
    folder.mkdir(parents=True, exist_ok=True)
    made = certificate(of, number, host, not_after)
    files = {"tls_cert": folder / f"{name}.pem", "tls_key": folder / f"{name}.key"}
    # The key first: between the two writes they do not fit together, as when an operator copies them.
    made.private_key_pem.write_to_path(files["tls_key"])
    files["tls_cert"].write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    authority_file(folder, of)
    return files


def authority_file(folder: Path, of: str) -> Path:
    """Write the certificate of an authority, and return where."""
    file = folder / f"{of}.ca.pem"
    authority(of).cert_pem.write_to_path(file)
    return file
