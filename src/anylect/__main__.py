"""`python -m anylect` is `anylect`."""

from anylect.cli.main import main

if __name__ == "__main__":
    main()
