"""The web process: ``python -m devserver.web PORT``."""

import sys
from pathlib import Path

import uvicorn

import function_app
from devserver import logs
from devserver.functions_host import FunctionsHost, route_prefix, routes_of


def main(port: int) -> None:
    """Serve the function app on the loopback interface until told to stop."""
    logs.configure()
    prefix = route_prefix(Path(function_app.__file__).parent)
    host = FunctionsHost(routes_of(function_app.app, prefix))
    uvicorn.run(
        host,
        host="127.0.0.1",
        port=port,
        log_level="error",
        access_log=False,
        proxy_headers=False,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
