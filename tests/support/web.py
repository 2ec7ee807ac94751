"""A web process with settings of its own."""

import http.client
import socket
import sys
import time

from devserver.children import Child


class Web:
    """One running web process; a context manager.

    Attributes:
        url: Where it serves, ending in a slash.
        key: Opens it.
        log: The lines that it has written, once it has ended.
    """

    def __init__(self, environ, *, quiet=False):
        """Start it with app settings; a quiet one keeps its log to itself."""
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self._port = found.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/"
        self.key = environ["PERSONALIZER_KEY_1"]
        command = [sys.executable, "-m", "devserver.web", str(self._port)]
        self._child = Child("a web process", command, environ, quiet=quiet)
        self.log = []

    def __enter__(self):
        """Wait until it answers."""
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._child.ended is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return self

    def __exit__(self, *exc):
        self._child.stop()
        if self._child.process.stdout:
            with self._child.process.stdout as lines:
                self.log = lines.read().splitlines()

    def send(self, method, path, body=None, headers=None):
        """Return status, headers and body of one request, as they came."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            given = {"Ocp-Apim-Subscription-Key": self.key, "Content-Type": "application/json"}
            connection.request(method, f"/{path}", body, given if headers is None else headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def _answers(self):
        try:
            return self.send("GET", "health", headers={})[0] == 200
        except OSError:
            return False
