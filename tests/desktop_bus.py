"""A session bus of a test's own, and somebody else on it: what a desktop sees and does by MPRIS."""

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dbus_fast
import pytest
from dbus_fast.aio import MessageBus
from waiting import wait_until

NAME, PATH, PLAYER = "org.mpris.MediaPlayer2.stemlive", "/org/mpris/MediaPlayer2", "org.mpris.MediaPlayer2.Player"


class Desktop:
    """Somebody else on the bus, with a thread for it."""

    def __init__(self, address):
        self.changes, self.seeked = [], []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

        async def connect():
            return await MessageBus(bus_address=address).connect()

        self._bus = self._do(connect())

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def names(self):
        reply = self._call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ListNames")
        return [name for name in reply[0] if name.startswith("org.mpris")]

    def _call(self, name, path, interface, member, signature="", body=()):
        message = dbus_fast.Message(name, path, interface, member, signature=signature, body=list(body))
        reply = self._do(self._bus.call(message))
        assert reply.message_type == dbus_fast.MessageType.METHOD_RETURN, reply.body
        return reply.body

    def meet(self):
        wait_until(lambda: NAME in self.names(), "the player", patience_s=60)

        async def watch():
            node = await self._bus.introspect(NAME, PATH)
            found = self._bus.get_proxy_object(NAME, PATH, node)
            properties = found.get_interface("org.freedesktop.DBus.Properties")
            properties.on_properties_changed(lambda _, changed, __: self.changes.append(changed))
            found.get_interface(PLAYER).on_seeked(self.seeked.append)

        self._do(watch())

    def press(self, member, signature="", *body):
        self._call(NAME, PATH, PLAYER, member, signature, body)

    def see(self, name, interface=PLAYER):
        value = self._call(NAME, PATH, "org.freedesktop.DBus.Properties", "Get", "ss", (interface, name))[0].value
        return {key: part.value for key, part in value.items()} if isinstance(value, dict) else value

    def close(self):
        async def leave():
            self._bus.disconnect()
            await self._bus.wait_for_disconnect()

        self._do(leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def desktop_bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desktop]:
    """A desktop on a session bus of its own, which programs of the test find."""
    command = ["dbus-daemon", "--session", "--nofork", "--print-address"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout is not None
        address = daemon.stdout.readline().strip()
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        desktop = Desktop(address)
        try:
            yield desktop
        finally:
            desktop.close()
            daemon.terminate()
