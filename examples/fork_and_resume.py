"""A conversation that goes on after its process ended, and goes two ways: python examples/fork_and_resume.py [STORE]"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import perdure


def main(store: Path, model: str) -> None:
    with perdure.open(model, store) as runtime:
        reply = runtime.session("alice").chat("My dog is called Bruno.", max_tokens=32)
        print("alice:", reply.text)

    with perdure.open(model, store) as runtime:
        alice = runtime.session("alice")
        bob = alice.fork("bob")
        print("alice:", alice.chat("What is my dog called?", max_tokens=32).text)
        reply = bob.chat("I have a cat as well, called Tom.", max_tokens=32)
        print("bob:  ", reply.text)
        print(f"restored {reply.receipt.restored} tokens in {reply.receipt.restore_ms:.1f} ms, none computed again")
        for commit in bob.log():
            print(commit.short, f"turn {commit.turn}", f"{commit.tokens} tokens", commit.title)


if __name__ == "__main__":
    chosen = sys.argv[2] if len(sys.argv) > 2 else "smollm2-135m-instruct"
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]), chosen)
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder), chosen)
