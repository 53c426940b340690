"""The addresses that a provider of sign-ins publishes (OpenID Connect Discovery 1.0), as the broker and the command line read them."""

import msgspec

WELL_KNOWN = "/.well-known/openid-configuration"


class Document(msgspec.Struct):
    """The addresses that it publishes; one that it does not publish is empty."""

    issuer: str
    jwks_uri: str = ""
    token_endpoint: str = ""
    authorization_endpoint: str = ""
    device_authorization_endpoint: str = ""

    def check(self, issuer: str, *needed: str) -> None:
        """Refuse the document of another issuer, and one that lacks an address which is *needed*.

        Raises:
            ValueError: the text says which.
        """
        if self.issuer != issuer:
            raise ValueError(f"its document names another issuer, '{self.issuer[:200]}'")
        for name in needed:
            if not getattr(self, name):
                raise ValueError(f"its document has no {name}")


def document_url(issuer: str) -> str:
    """Return where the document of an issuer is."""
    return issuer.rstrip("/") + WELL_KNOWN
