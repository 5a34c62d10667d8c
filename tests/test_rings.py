"""Rings against a list that never forgets: whatever the order of writes and reads, samples come out as they went in."""

import numpy as np
import pytest
import rtmixer
from hypothesis import given, settings
from hypothesis import strategies as st

from stemlive.realtime.devices.device import RingSource
from stemlive.realtime.devices.ring import PlainInputRing, PlainOutputRing, PortAudioInputRing, PortAudioOutputRing
from stemlive.realtime.recording.record_ring import RecordRing

CAPACITY = 256
EVERY_KIND = settings(max_examples=200, deadline=None)
steps = st.lists(st.tuples(st.booleans(), st.integers(0, CAPACITY // 2)), max_size=60)
"""Whether it is written, else read; and how many samples."""


def numbered(first: int, count: int, channels: int = 2) -> np.ndarray:
    """Samples that say where they belong: sample k holds k + 1, and its negative on the right."""
    ramp = np.arange(first + 1, first + count + 1, dtype=np.float32)
    return np.stack([ramp, -ramp], axis=1)[:, :channels]


@pytest.mark.parametrize("kind", ["plain", "portaudio"])
@EVERY_KIND
@given(steps=steps)
def test_an_input_ring_loses_the_oldest_and_says_how_many(kind, steps):
    if kind == "plain":
        ring = PlainInputRing(CAPACITY, 2)
        write = ring.write
    else:
        ring = PortAudioInputRing(rtmixer.RingBuffer, CAPACITY, 2)

        def write(block: np.ndarray) -> None:  # as PortAudio's C code does, which leaves out what does not fit
            ring.handle.write(block)

    source = RingSource(ring)
    written = read = 0
    for writes, wanted in steps:
        if writes:
            count = wanted if kind == "plain" else min(wanted, int(ring.handle.write_available))
            write(numbered(written, count))
            written += count
        else:
            lost = source.lost()
            assert lost == 0 or written - read > CAPACITY - CAPACITY // 8
            read += lost
            count = min(wanted, source.available())
            out = np.zeros((count, 2), np.float32)
            source.read(out)
            np.testing.assert_array_equal(out, numbered(read, count))
            read += count
        assert ring.written == written


@pytest.mark.parametrize("kind", ["plain", "portaudio"])
@EVERY_KIND
@given(steps=steps)
def test_an_output_ring_gives_what_was_put_ahead_of_it(kind, steps):
    plain = kind == "plain"
    ring = PlainOutputRing(CAPACITY, 2) if plain else PortAudioOutputRing(rtmixer.RingBuffer, CAPACITY, 2)
    put, allowed = 0, CAPACITY
    for writes, wanted in steps:
        if writes:
            count = min(wanted, ring.read + CAPACITY - put)
            ring.memory.put(put, numbered(put, count))
            put += count
            ring.advance_write(put - allowed if put > allowed else 0)
            allowed = max(allowed, put)
        else:
            count = min(wanted, put - ring.read)
            expected = numbered(ring.read, count)
            if plain:
                out = np.zeros((count, 2), np.float32)
                ring.take(out)
            else:
                out = np.frombuffer(ring.handle.read(count), np.float32).reshape(count, 2)
            np.testing.assert_array_equal(out, expected)


@EVERY_KIND
@given(
    steps=st.lists(st.tuples(st.sampled_from(["write", "skip", "take"]), st.integers(0, CAPACITY // 2)), max_size=80)
)
def test_a_recording_ring_gives_silence_for_what_it_lost_and_all_else_as_it_was(steps):
    ring = RecordRing(CAPACITY, (1, 2))
    went_in = np.zeros((0, 2), np.float32)
    out = [np.full((CAPACITY, 1), 9, np.float32), np.full((CAPACITY, 2), 9, np.float32)]
    lost_blocks = taken = 0
    for kind, wanted in steps:
        if kind == "take":
            count = min(wanted, ring.written - ring.taken)
            ring.take(count, out)
            np.testing.assert_array_equal(out[1][:count], went_in[taken : taken + count])
            np.testing.assert_array_equal(out[0][:count], went_in[taken : taken + count, :1])
            taken += count
            continue
        block = numbered(len(went_in), wanted)
        if kind == "write" and ring.has_room(wanted):
            ring.put(0, block[:, :1])
            ring.put(1, block)
            ring.advance(wanted)
        else:
            lost_blocks += kind == "write"
            if kind == "skip":
                ring.skip(wanted)
            block = np.zeros_like(block)
        went_in = np.concatenate([went_in, block])
        assert (ring.written, ring.taken, ring.lost_blocks) == (len(went_in), taken, lost_blocks)
