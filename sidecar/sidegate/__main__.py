"""Runs the command line: `python -m sidegate`."""

from sidegate.cli.app import main

if __name__ == "__main__":
    main()
