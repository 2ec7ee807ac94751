"""Servers close without leaving behind what they were accepting."""

import asyncio
import gc
import socket

import pytest

from tests.support.servers import close_server

MOST_STEPS = 6


@pytest.mark.parametrize("steps", range(MOST_STEPS))
def test_whenever_a_server_closes_its_connections_end(steps):
    """``steps`` is how far the event loop has come with a new connection."""

    async def serve(reader, writer):
        writer.close()

    async def run():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        with socket.create_connection(address):
            for _ in range(steps):
                await asyncio.sleep(0)
            await close_server(server)
            await asyncio.sleep(0.01)

    asyncio.run(run())
    gc.collect()  # a transport that was left behind warns, which is an error here
