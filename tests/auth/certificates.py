"""Certificates for tests, of authorities that live as long as the test process."""

from functools import cache
from pathlib import Path

import trustme


@cache
def authority(name: str) -> trustme.CA:
    return trustme.CA(organization_name=name)


@cache
def certificate(of: str, number: int, host: str) -> trustme.LeafCert:
    return authority(of).issue_cert(host, common_name=f"{host} {number}")


def write(
    folder: Path, *, of: str = "ours", number: int = 1, host: str = "127.0.0.1", name: str = "door"
) -> dict[str, Path]:
    """Write a certificate, its key, and the authority that signed it, as the settings of a broker."""
    folder.mkdir(parents=True, exist_ok=True)
    made = certificate(of, number, host)
    files = {"tls_cert": folder / f"{name}.pem", "tls_key": folder / f"{name}.key"}
    # The key first: between the two writes they do not fit together, as when an operator copies them.
    made.private_key_pem.write_to_path(files["tls_key"])
    files["tls_cert"].write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    authority(of).cert_pem.write_to_path(folder / f"{of}.ca.pem")
    return files
