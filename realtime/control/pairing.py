"""Who may steer the engine from the network: a code to type once, few tries at it, and a token for each phone."""

import secrets
import time
from collections.abc import Callable

_FREE_TRIES = 5
_FIRST_LOCK_S = 5.0
_LONGEST_LOCK_S = 3600.0
_MOST_SESSIONS = 32


class Pairing:
    """A random code of six digits, and the tokens that it was exchanged for. For one thread.

    After five wrong codes, from anywhere, none is looked at for 5 s; each further one doubles that, up to an hour. The
    count is for all addresses together, because one attacker may have many.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self.code = f"{secrets.randbelow(10**6):06d}"
        self._now_s = now_s
        self._tokens: list[str] = []
        self._wrong = 0
        self._locked_to_s = 0.0

    @property
    def locked_s(self) -> float:
        """For how long no code is looked at; 0 while codes are."""
        return max(0.0, self._locked_to_s - self._now_s())

    def pair(self, code: str) -> str:
        """Return a new token for the right code; an empty text for a wrong one, and for any while it is locked."""
        if self.locked_s:
            return ""
        if not secrets.compare_digest(code.encode(), self.code.encode()):
            self._wrong += 1
            if self._wrong >= _FREE_TRIES:
                lock_s = _FIRST_LOCK_S * 2.0 ** min(self._wrong - _FREE_TRIES, 20)
                self._locked_to_s = self._now_s() + min(lock_s, _LONGEST_LOCK_S)
            return ""
        self._wrong = 0
        token = secrets.token_urlsafe(32)
        self._tokens = [*self._tokens[1 - _MOST_SESSIONS :], token]
        return token

    def knows(self, token: str) -> bool:
        """Whether a token was given out, by this run. Takes as long for a wrong one as for a right one."""
        sent = token.encode()
        return sum(secrets.compare_digest(sent, known.encode()) for known in self._tokens) > 0
