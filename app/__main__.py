"""Run the command line as `python -m stemlive`."""

from stemlive.cli import main

if __name__ == "__main__":
    main(prog_name="stemlive")
