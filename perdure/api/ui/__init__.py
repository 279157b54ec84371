"""The inspector: pages at /ui that show what sessions remember, and change it.

A page is a client of the HTTP interface: each asks through a `perdure.AsyncClient` of its own, with the key that its visitor
signed in with, so that it shows what that key may read, changes what it may change, and stands in the audit log like any
other client. Nothing here opens a store or a model.

A screen is a function in `screens`, registered under its path by `screens.base.screen`, which gives it a `View`: the
visitor, the client and the place on the page. What several screens draw with is in `parts`. `mount` hangs all of it into
the application.
"""

from .door import PATH
from .mount import mount

__all__ = ["PATH", "mount"]
