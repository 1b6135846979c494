"""`python -m vangram` is the command line."""

from vangram.cli import main

if __name__ == "__main__":
    main()
