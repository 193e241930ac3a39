"""``python -m kakehashi``: the same as the ``kakehashi`` command."""

from kakehashi.cli import main

if __name__ == "__main__":
    main()
