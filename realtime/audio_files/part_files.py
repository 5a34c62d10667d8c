"""Hidden files that grow beside their target until they are whole, and what a killed program leaves of them."""

import glob
import os
import platform
import re
import secrets
from contextlib import suppress
from pathlib import Path


def new_part(target: Path) -> Path:
    """Return a hidden name beside a target that nobody else uses, after removing what killed programs left there.

    The name says which process of which machine it belongs to, so nothing is taken from one that still writes.
    """
    for path in target.parent.glob(f".{glob.escape(target.name)}.*.part"):
        owner = re.fullmatch(rf"{re.escape(_prefix(target))}(\d+)-[0-9a-f]{{8}}\.part", path.name)
        if owner and not _runs(int(owner[1])):
            with suppress(OSError):
                path.unlink()
    return target.with_name(f"{_prefix(target)}{os.getpid()}-{secrets.token_hex(4)}.part")


def _prefix(target: Path) -> str:
    return f".{target.name}.{platform.node()}-"


def _runs(pid: int) -> bool:
    if os.name != "posix":  # to ask is to end it there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
