"""``python -m braketeer`` is the command line."""

from braketeer.cli import main

if __name__ == "__main__":
    main()
