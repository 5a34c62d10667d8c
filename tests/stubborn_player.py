"""A program that plays silence and does not let its stream be moved: `python stubborn_player.py SINK`."""

import ctypes
import sys

DONT_MOVE = 0x0200
CONTEXT_READY, STREAM_READY = 4, 2


class Spec(ctypes.Structure):
    _fields_ = (("format", ctypes.c_int), ("rate", ctypes.c_uint32), ("channels", ctypes.c_uint8))


def main(sink: str) -> None:
    pa = ctypes.CDLL("libpulse.so.0")
    for name in ("pa_mainloop_new", "pa_mainloop_get_api", "pa_context_new", "pa_stream_new"):
        getattr(pa, name).restype = ctypes.c_void_p
    loop = ctypes.c_void_p(pa.pa_mainloop_new())
    context = ctypes.c_void_p(pa.pa_context_new(ctypes.c_void_p(pa.pa_mainloop_get_api(loop)), b"stubborn"))
    pa.pa_context_connect(context, None, 0, None)
    while pa.pa_context_get_state(context) != CONTEXT_READY:
        pa.pa_mainloop_iterate(loop, 1, None)
    spec = Spec(5, 44100, 2)  # float32le
    stream = ctypes.c_void_p(pa.pa_stream_new(context, b"stubborn", ctypes.byref(spec), None))
    pa.pa_stream_connect_playback(stream, sink.encode(), None, DONT_MOVE, None, None)
    pa.pa_stream_writable_size.restype = ctypes.c_size_t
    while True:
        pa.pa_mainloop_iterate(loop, 1, None)
        if (
            pa.pa_stream_get_state(stream) == STREAM_READY
            and 0 < (room := pa.pa_stream_writable_size(stream)) < 1 << 24
        ):
            silence = bytes(room)
            pa.pa_stream_write(stream, silence, ctypes.c_size_t(room), None, ctypes.c_int64(0), 0)


if __name__ == "__main__":
    main(sys.argv[1])
