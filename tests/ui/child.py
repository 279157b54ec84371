"""`perdure` with the sentence encoder of the tests, so that its server needs nothing that was pulled.

AWAY_S in its environment is for how many seconds pages wait for it.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from perdure.api.cli import main
from perdure.runtime import encoder
from perdure.testing.encoder import HashedWords

if __name__ == "__main__":
    encoder.load = lambda cache: HashedWords()
    mounting: Any = import_module("perdure.api.ui.mount")
    mounting.AWAY_S = float(os.environ.get("AWAY_S", mounting.AWAY_S))
    main()
