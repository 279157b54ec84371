"""A typed client of a Perdure server: `Client` and `AsyncClient`, over httpx.

    with perdure.Client() as client:
        print(client.chat("My dog is called Bruno.", session="alice").text)
        for found in client.memory.search("the dog"):
            print(found.score, found.text)

Errors are those of `perdure.errors`, as if the server's runtime were in this process.
"""

from .asynchronous import AsyncClient
from .synchronous import Client

__all__ = ["AsyncClient", "Client"]
