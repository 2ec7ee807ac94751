"""An issuer of bearer tokens with keys of its own, and a server of its key set."""

import json
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

TENANT = "11111111-2222-3333-4444-555555555555"
AUDIENCE = "api://open-personalizer"
V1, V2 = f"https://sts.windows.net/{TENANT}/", f"https://login.microsoftonline.com/{TENANT}/v2.0"


def new_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_jwk(key, kid, **changes):
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return {**jwk, "kid": kid, "use": "sig", **changes}


class Issuer:
    """Issues tokens; a context manager that serves its key set on a free port.

    Attributes:
        key: That signs, with the key id ``one``.
        jwks: The key set as served; may be changed.
        status: Of the answer; may be changed.
        fetches: How often the key set was asked for.
    """

    def __init__(self):
        self.key = new_key()
        self.jwks = {"keys": [public_jwk(self.key, "one")]}
        self.status = 200
        self.fetches = 0

    def __enter__(self):
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.fetches += 1
                body = json.dumps(issuer.jwks).encode()
                self.send_response(issuer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format, *args):
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/keys"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def token(self, *, key=None, kid="one", algorithm="RS256", headers=None, **changes):
        """Return a token that is good but for ``changes`` of its claims.

        ``...`` removes a claim; a ``timedelta`` is added to the present.
        """
        now = int(time.time())
        claims = {"aud": AUDIENCE, "iss": V2, "exp": now + 600, "nbf": now, "iat": now, **changes}
        claims = {
            name: now + value.total_seconds() if isinstance(value, timedelta) else value
            for name, value in claims.items()
            if value is not ...
        }
        return jwt.encode(
            claims, key or self.key, algorithm, headers={"kid": kid, **(headers or {})}
        )
