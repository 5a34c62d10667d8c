"""The desktop's media keys, as keys of a live run with a queue."""

from typing import TYPE_CHECKING

from stemlive.terminal.desk import Desk

if TYPE_CHECKING:
    from stemlive.media_session import MediaSession
    from stemlive.realtime.shared.snapshot import Snapshot


def serve(desk: Desk, media: "MediaSession", now: "Snapshot") -> None:
    """Do what was wanted since the last call, and show what plays."""
    song, conductor = desk.controls.song, desk.conductor
    assert conductor is not None
    for request in media.requests():
        if request.act in ("play", "pause", "play-pause"):
            song.play(request.act == "play" or (request.act == "play-pause" and not song.playing))
        elif request.act == "stop":
            song.play(False)
            song.seek(0.0)
        elif request.act in ("next", "previous"):
            desk.skip(1 if request.act == "next" else -1)
        elif request.act == "seek":
            desk.seek(request.value_s)
        elif request.act == "go-to":
            song.seek(request.value_s)
        elif request.act == "quit":
            desk.quitting = True
    queue = conductor.queue
    here = now.song_number == conductor.number
    media.show(
        queue.song,
        plays=song.playing and not (here and now.song_ended),
        position_s=now.song_s if here else 0.0,
        length_s=now.song_length_s if here else 0.0,
        has_next=queue.following is not None,
    )
