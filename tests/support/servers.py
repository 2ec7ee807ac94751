"""Servers of asyncio, closed while connections arrive."""

import asyncio


async def close_server(server: asyncio.Server) -> None:
    """Close a server and leave nothing behind of what it was accepting.

    A connection that is accepted and has no transport yet when its server closes makes Python
    3.11 fail an assertion, and leaves its socket and transport unclosed.
    """
    loop = asyncio.get_running_loop()
    for sock in server.sockets:
        loop.remove_reader(sock.fileno())
    await asyncio.sleep(0)  # accepted ones get their transport
    server.close()
    await asyncio.sleep(0)
