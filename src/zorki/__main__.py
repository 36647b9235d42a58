"""`python -m zorki` is `zorki`."""

from zorki.cli import main

if __name__ == "__main__":
    main()
