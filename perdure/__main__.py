"""`python -m perdure` is `perdure`."""

from .api.cli import main

if __name__ == "__main__":
    main()
