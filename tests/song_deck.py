"""Songs out of the engine's source, taken as the engine takes them, faster than life."""

import time

import numpy as np
from waiting import wait_until

from stemlive.realtime.control.transport import Transport
from stemlive.realtime.devices.device import RingSource
from stemlive.realtime.devices.song_loader import first_song
from stemlive.realtime.devices.song_source import SongSource
from stemlive.realtime.shared.memory import EngineMemory

RATE = 8000
LIMIT_S = 60


class Deck:
    """A source with songs in files, whose samples are taken as the engine takes them."""

    def __init__(self, folder, first, rate_hz=RATE, memory=None):
        self.folder = folder
        self.memory = EngineMemory.local() if memory is None else memory
        self.transport = Transport(self.memory)
        self.source = SongSource(first_song(self.memory, str(folder / first)), rate_hz, self.memory)
        self.ring = RingSource(self.source.input)
        self.taken = 0

    def read(self, count):
        out = np.zeros((count, 2), np.float32)
        for first in range(0, count, 100):
            block = out[first : first + 100]
            self.wait_for(len(block))
            self.ring.read(block)
            self.taken += len(block)
            self.source.tell(self.taken, time.monotonic())
            self.memory.publish()
        return out

    def wait_for(self, count):
        def there():
            assert not self.source.problem, self.source.problem
            return self.ring.available() >= count

        wait_until(there, "the source", patience_s=LIMIT_S, pause_s=0.001)

    def read_until(self, true):
        blocks, end = [], time.monotonic() + LIMIT_S
        while not true():
            assert time.monotonic() < end, "it never came"
            blocks.append(self.read(100))
        return np.concatenate(blocks)

    @property
    def now(self):
        return self.memory.snapshot()


def begin(deck):
    """Play, and wait for the next song, for the tests take faster than one hears.

    Not with a song to be played at once before it: nothing takes samples here, and the source asks for a song only
    while there is room for more.
    """
    deck.transport.play()
    deck.source.start()
    if deck.memory.parameters["song_next"]:
        wait_until(lambda: deck.source._loader._job is not None and deck.source._loader._job.done(), "the next song")
