"""A small OpenID Connect provider: a real HTTP server on this machine, with RSA keys, that answers as a test says."""

import json
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "osmia page", "s3cret:/ü"


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """A key that all tests of a process share: making one takes a while."""
    return rsa.generate_private_key(65537, 2048)


class FakeProvider:
    """The provider. *keys* are the names of those that it publishes; *codes* what the person has agreed to."""

    def __init__(self) -> None:
        self.keys = ["first"]
        rsa_key("first")  # before two threads make one each
        self.published: list[dict[str, Any]] = []  # besides
        self.document: dict[str, Any] = {}  # overrules what it says about itself
        self.status = 200
        self.before_answer: Callable[[], object] = lambda: None
        self.asked: list[str] = []  # the paths
        self.brings_back: Callable[[str], dict[str, str]] = lambda url: {"error": "server_error"}  # of a browser
        self.codes: dict[str, dict[str, Any]] = {}  # by code: challenge, redirect_uri, claims
        self.redeemed: list[dict[str, str]] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append(self.path)
                provider.before_answer()
                if "/authorize?" in self.path:
                    self._send_back()
                else:
                    self._say(provider.status, provider._page(self.path))

            def _send_back(self) -> None:
                target = parse_qs(urlsplit(self.path).query)["redirect_uri"][0]
                self.send_response(303)
                self.send_header("location", f"{target}?{urlencode(provider.brings_back(self.path))}")
                self.send_header("content-length", "0")
                self.end_headers()

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                given = {name: values[0] for name, values in form.items()}
                self._say(*provider._redeem(given, self.headers.get("authorization", "")))

            def _say(self, status: int, body: Any) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                if status in (301, 302):
                    self.send_header("location", "/elsewhere")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}/realm"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def token(self, time_s: float, key: str = "first", algorithm: str = "RS256", **claims: Any) -> str:
        """A token for the audience `osmia`, valid for five minutes. A claim None is left out; `_kid` names another key."""
        kid = claims.pop("_kid", key)
        said = {"iss": self.issuer, "aud": "osmia", "exp": int(time_s) + 300, "preferred_username": "anna", **claims}
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(said, rsa_key(key), algorithm, headers={"kid": kid} if kid else {})

    def agree(self, url: str, time_s: float, **claims: Any) -> dict[str, str]:
        """Sign the person in who comes with *url*, and return what the browser brings back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        claims = {"aud": CLIENT, "nonce": asked["nonce"], **claims}
        self.codes[code] = {**asked, "id_token": self.token(time_s, **claims)}
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    def _page(self, path: str) -> Any:
        if path.endswith("/openid-configuration"):
            return {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/keys",
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                **self.document,
            }
        return {"keys": [*self.published, *(published(key) for key in self.keys)]}

    def _redeem(self, form: dict[str, str], authorization: str) -> tuple[int, Any]:
        self.redeemed.append({**form, "authorization": authorization})
        asked = self.codes.pop(form["code"], None)
        challenge = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant", "error_description": "this code is not valid"}
        return 200, {"id_token": asked["id_token"], "access_token": "opaque"}


def published(name: str) -> dict[str, Any]:
    """The public part of a key as the provider publishes it."""
    return {**jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key(name).public_key(), as_dict=True), "kid": name, "use": "sig"}
