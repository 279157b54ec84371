"""`perdure` with the sentence encoder of the tests, so that a soak needs nothing that was pulled."""

from __future__ import annotations

import sys

from perdure.api.cli import main
from perdure.runtime import encoder
from perdure.testing.encoder import HashedWords

if __name__ == "__main__":
    encoder.load = lambda cache: HashedWords()  # type: ignore[assignment,return-value]
    sys.exit(main())
