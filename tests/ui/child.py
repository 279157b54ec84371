"""`perdure` with the sentence encoder of the tests, so that its server needs nothing that was pulled."""

from __future__ import annotations

from perdure.api.cli import main
from perdure.runtime import encoder
from perdure.testing.encoder import HashedWords

if __name__ == "__main__":
    encoder.load = lambda cache: HashedWords()
    main()
