"""What other processes there are, as Linux tells it."""

from pathlib import Path


def spawned(process: int) -> list[int]:
    """The children that Python's `multiprocessing` has started for a process; each is one of the thread that did."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    children = [int(child) for task in tasks for child in task.joinpath("children").read_text().split()]
    return [child for child in children if "spawn_main" in command_line(child)]


def command_line(process: int) -> str:
    """Nothing of a process that has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""
