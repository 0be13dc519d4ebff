"""python -m cambench."""

from cambench.cli import main

if __name__ == "__main__":
    main()
