"""A phone as remote: who may steer, from where, and what a page on a phone's screen shows and does."""

import contextlib
import dataclasses
import http.client
import json
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from phone import Phone
from test_controls import NOW, STEMS
from waiting import wait_until

from stemlive.errors import StemliveError, UsageError
from stemlive.extras import how_to_add
from stemlive.live_remotes import invitation
from stemlive.realtime.control.conductor import Conductor
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.control.pairing import Pairing
from stemlive.realtime.control.remote import Remote
from stemlive.realtime.control.remote_desk import RemoteDesk
from stemlive.realtime.control.song_queue import SongQueue
from stemlive.realtime.shared.memory import EngineMemory

SONG = dataclasses.replace(NOW, song_s=83.4, song_length_s=200.0, message="/home/singer/song.wav: read")
MARK = '<b onclick="alert(1)">Lied</b>'


@pytest.fixture
def controls() -> Controls:
    return Controls(STEMS, EngineMemory.local())


@pytest.fixture
def desk(controls: Controls) -> RemoteDesk:
    return RemoteDesk(controls, lambda: SONG, title=MARK, microphone=True)


@pytest.fixture
def remote(desk: RemoteDesk) -> Iterator[Remote]:
    complaints: list[str] = []
    served = Remote(desk, "127.0.0.1", 0, complain=complaints.append)
    yield served
    served.close()
    assert not complaints


def ask(
    remote: Remote, method: str, path: str, body: str | None = None, **headers: str | None
) -> http.client.HTTPResponse:
    """Ask as the page itself does, but for the headers that are given; None leaves one out."""
    own = f"127.0.0.1:{remote.port}"
    sent = {"Host": own, "Origin": f"http://{own}"} | {name.replace("_", "-"): text for name, text in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", remote.port, timeout=60)
    connection.putrequest(method, path, skip_host=True)
    for name, text in sent.items():
        if text is not None:
            connection.putheader(name, text)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(None if body is None else body.encode())
    answer = connection.getresponse()
    answer.text = answer.read().decode() if answer.status != 101 else ""  # type: ignore[attr-defined]
    connection.close()
    return answer


def pair(remote: Remote) -> str:
    """Return the cookie that the right code is exchanged for."""
    answer = ask(remote, "POST", "/pair", json.dumps(remote.code))
    assert answer.status == 204
    return str(answer.getheader("Set-Cookie"))


def upgrade(remote: Remote, **headers: str | None) -> int:
    """Ask for the WebSocket; return the status."""
    socket = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
    return ask(remote, "GET", "/live", **socket | {"Sec_WebSocket_Key": "c3RlbWxpdmUgc3RlbWxpdg=="} | headers).status


class TestPairing:
    def test_the_code_is_six_digits_and_another_one_each_time(self):
        codes = {Pairing().code for _ in range(20)}
        assert len(codes) > 15 and all(re.fullmatch(r"\d{6}", code) for code in codes)

    def test_tokens_are_good_until_there_are_too_many(self):
        pairing = Pairing()
        tokens = [pairing.pair(pairing.code) for _ in range(33)]
        assert len(set(tokens)) == 33 and min(map(len, tokens)) >= 40
        assert [pairing.knows(token) for token in tokens] == [False] + 32 * [True]
        assert not pairing.knows("") and not pairing.knows("é")

    def test_wrong_codes_lock_it_for_longer_and_longer(self):
        now = [100.0]
        pairing = Pairing(lambda: now[0])
        wrong = f"{(int(pairing.code) + 1) % 10**6:06d}"
        for _ in range(4):
            assert pairing.pair(wrong) == "" and pairing.locked_s == 0
        waits = []
        for _ in range(14):
            assert pairing.pair(wrong) == ""
            waits.append(pairing.locked_s)
            assert pairing.pair(pairing.code) == "", "the right code is not looked at while it is locked"
            now[0] += waits[-1]
        assert waits == [5 * 2.0**n for n in range(10)] + 4 * [3600.0]
        assert pairing.pair(pairing.code) and pairing.pair(wrong) == "" and pairing.locked_s == 0

    def test_anything_may_be_sent_as_code(self):
        pairing = Pairing()
        assert pairing.pair("") == pairing.pair("héé") == pairing.pair(pairing.code + "0") == ""


class TestDesk:
    def test_every_command_moves_what_it_says(self, desk, controls):
        for command in (
            {"do": "preset", "value": "karaoke"},
            {"do": "gain", "stem": "drums", "value": -6.5},
            {"do": "gain", "stem": "bass", "value": None},
            {"do": "solo", "stem": "other", "value": True},
            {"do": "mute", "stem": "drums", "value": True},
            {"do": "bypass", "value": True},
            {"do": "microphone gain", "value": -3},
            {"do": "microphone reverb", "value": 0.25},
            {"do": "play", "value": True},
            {"do": "seek", "value": 12.5},
        ):
            desk.obey(command)
        assert controls.gains_db == {"vocals": 0, "drums": -6.5, "bass": float("-inf"), "other": 0}
        assert (controls.muted, controls.soloed) == ({"vocals", "drums"}, {"other"})
        assert (controls.bypass, controls.microphone_gain_db, controls.microphone_reverb) == (True, -3, 0.25)
        parameters = controls._memory.parameters
        assert (bool(parameters["playing"]), float(parameters["seek_s"]), int(parameters["seeks"])) == (True, 12.5, 1)

    @pytest.mark.parametrize(
        "nonsense",
        [
            None,
            [],
            "gain",
            {},
            {"do": None},
            {"do": ["gain"]},
            {"do": "load", "value": "/etc/passwd"},
            {"do": "gain", "stem": "drums"},
            {"do": "gain", "stem": "drums", "value": True},
            {"do": "gain", "stem": "drums", "value": "0"},
            {"do": "gain", "stem": "drums", "value": 13},
            {"do": "gain", "stem": "drums", "value": float("nan")},
            {"do": "gain", "stem": "kazoo", "value": 0},
            {"do": "mute", "stem": 1, "value": True},
            {"do": "mute", "stem": "drums", "value": 1},
            {"do": "preset", "value": "x"},
            {"do": "key by", "value": 0.5},
            {"do": "key by", "value": 7},
            {"do": "seek", "value": -1},
            {"do": "seek", "value": 10**400},
        ],
    )
    def test_nonsense_changes_nothing(self, desk, controls, nonsense):
        before = controls._memory.parameters.tobytes()
        with pytest.raises(UsageError):
            desk.obey(nonsense)
        assert controls._memory.parameters.tobytes() == before

    def test_the_state_has_no_path_and_names_the_preset(self, desk, controls):
        state = desk.state()
        assert "home" not in json.dumps(state) and state["preset"] == "original"
        controls.apply_preset("karaoke")
        assert desk.state()["preset"] == "karaoke"
        controls.set_gain_db("drums", -1)
        assert desk.state()["preset"] is None
        assert [stem["level"] for stem in state["stems"]] == [None, -20.0, -40.0, 0.0]

    def test_without_song_and_microphone_there_are_no_commands_for_them(self):
        starting = dataclasses.replace(NOW, stems=(), stem_rms=())
        desk = RemoteDesk(Controls(("vocals", "rest"), EngineMemory.local()), lambda: starting)
        state = desk.state()
        assert (state["song"], state["microphone"]) == (None, None)
        assert state["presets"] == ["original", "karaoke", "acapella"], "of those that can be made"
        for name, value in (("play", True), ("seek", 1), ("microphone gain", 0)):
            with pytest.raises(UsageError):
                desk.obey({"do": name, "value": value})

    def test_a_queue_is_shown_by_its_titles_and_chosen_from(self, controls):
        conductor = Conductor(SongQueue(["/home/singer/Ännchen.mp3", "/home/singer/b.flac", "c.wav"]))
        conductor.attach(controls.song)
        now = [dataclasses.replace(SONG, song_s=1.0)]
        desk = RemoteDesk(controls, lambda: now[0], title="Ännchen", conductor=conductor)
        queue = desk.state()["queue"]
        assert ([song["title"] for song in queue["songs"]], queue["index"]) == (["Ännchen", "b", "c"], 0)
        numbers = [song["id"] for song in queue["songs"]]
        desk.obey({"do": "go", "value": numbers[2]})
        assert (desk.state()["song"]["title"], conductor.queue.index, controls.song.playing) == ("c", 2, True)
        desk.obey({"do": "next"})
        desk.obey({"do": "previous"})
        assert conductor.queue.index == 1
        now[0] = SONG
        desk.obey({"do": "previous"})
        assert (conductor.queue.index, float(controls._memory.parameters["seek_s"])) == (1, 0.0)
        conductor.queue.move([2], 0)
        conductor.queue.remove([1])  # while somebody's finger is on its way
        desk.obey({"do": "go", "value": numbers[1]})
        assert (conductor.queue.song.title, conductor.queue.index) == ("b", 1)
        for number in (numbers[0], max(numbers) + 1, 0.5, "a", None):
            with pytest.raises(UsageError):
                desk.obey({"do": "go", "value": number})
        conductor.queue.clear()
        assert (desk.state()["song"], desk.state()["queue"]) == (None, {"songs": [], "index": -1})


class TestServer:
    def test_the_page_is_one_file_that_needs_nothing_else_and_may_do_nothing_else(self, remote):
        answer = ask(remote, "GET", "/", Origin=None)
        assert answer.status == 200
        assert not re.search(r"""(src|href)=["'](?!data:)|https?://|@import|url\(""", answer.text)
        policy = str(answer.getheader("Content-Security-Policy"))
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert (answer.getheader("Server"), answer.getheader("Cache-Control")) == ("stemlive", "no-store")
        for path in ("/favicon.ico", "/../../etc/passwd", "/assets/live.onnx", "/%2e%2e/x"):
            assert ask(remote, "GET", path).status == 404

    def test_the_cookie_opens_the_door_and_nothing_else_does(self, remote):
        assert upgrade(remote) == 401
        assert upgrade(remote, Cookie=f"stemlive_{remote.port}=x") == 401
        assert ask(remote, "GET", "/paired").text == "false"
        cookie = pair(remote)
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and remote.code not in cookie
        assert ask(remote, "GET", "/paired", Cookie=cookie.split(";")[0]).text == "true"
        assert upgrade(remote, Cookie=cookie.split(";")[0]) == 101

    def test_another_name_for_this_machine_is_refused(self, remote):
        cookie = pair(remote).split(";")[0]
        evil = f"evil.example:{remote.port}"
        for host in (evil, "127.0.0.1", f"127.0.0.1:{remote.port + 1}", f"192.0.2.1:{remote.port}", "", None):
            own = None if host is None else f"http://{host}"
            assert ask(remote, "GET", "/", Host=host).status in (400, 403)
            assert ask(remote, "POST", "/pair", json.dumps(remote.code), Host=host, Origin=own).status in (400, 403)
            assert upgrade(remote, Cookie=cookie, Host=host, Origin=own) in (400, 403)
        assert ask(remote, "GET", "/", Host=f"LOCALHOST:{remote.port}").status == 200

    def test_another_page_in_the_same_browser_is_refused(self, remote):
        cookie = pair(remote).split(";")[0]
        for origin in ("http://evil.example", f"http://127.0.0.1:{remote.port + 1}", "null", None):
            assert ask(remote, "POST", "/pair", json.dumps(remote.code), Origin=origin).status == 403
            assert upgrade(remote, Cookie=cookie, Origin=origin) == 403
        assert upgrade(remote, Cookie=cookie) == 101

    def test_codes_cannot_be_tried_out(self, remote):
        wrong = json.dumps(f"{(int(remote.code) + 1) % 10**6:06d}")
        answers = [ask(remote, "POST", "/pair", wrong) for _ in range(5)]
        assert [answer.status for answer in answers] == [403, 403, 403, 403, 429]
        assert 0 < json.loads(answers[-1].text)["wait_s"] <= 5
        assert ask(remote, "POST", "/pair", json.dumps(remote.code)).status == 429

    def test_bodies_that_are_large_or_nonsense_are_refused(self, remote):
        assert ask(remote, "POST", "/pair", json.dumps("1" * 2000)).status == 413
        for body in ("", "{", "NaN", "[" * 900, json.dumps({"code": remote.code})):
            assert ask(remote, "POST", "/pair", body).status in (403, 429)
        assert ask(remote, "DELETE", "/pair", "").status == 405

    def test_idle_connections_have_a_limit_and_end_no_remote(self, remote):
        idle = [socket.create_connection(("127.0.0.1", remote.port), timeout=60) for _ in range(100)]
        for connection in idle[-20:]:
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b"", "refused"
        idle[0].sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{remote.port}\r\n\r\n".encode())
        assert idle[0].recv(15) == b"HTTP/1.1 200 OK", "the first ones are not"
        for connection in idle:
            connection.close()
        wait_until(lambda: reached(remote), "room for the next one", patience_s=60)

    def test_what_is_wrong_is_one_line(self, desk, remote):
        with pytest.raises(
            StemliveError, match=f"127.0.0.1:{remote.port}: another program has this port, take another"
        ):
            Remote(desk, "127.0.0.1", remote.port, complain=print)
        with pytest.raises(StemliveError, match=r"192\.0\.2\.7:8000: this machine does not have that address"):
            Remote(desk, "192.0.2.7", 8000, complain=print)
        with pytest.raises(StemliveError, match="there is no such address"):
            Remote(desk, "no such host", 8000, complain=print)

    def test_without_the_package(self, desk, monkeypatch):
        monkeypatch.setitem(sys.modules, "aiohttp", None)
        with pytest.raises(
            StemliveError, match=f"the remote needs the package aiohttp: {re.escape(how_to_add('remote'))}"
        ):
            Remote(desk, "127.0.0.1", 0, complain=print)

    def test_for_the_network_it_tells_an_address_and_a_qr_code(self, desk, remote):
        assert invitation(remote, unicode=True).startswith(
            f"remote: http://127.0.0.1:{remote.port}/ code {remote.code}"
        )
        everywhere = Remote(desk, "0.0.0.0", 0, complain=print)
        everywhere.local = False  # as where there is a network
        try:
            assert invitation(everywhere, unicode=False) == (
                f"remote: on the phone, open {everywhere.url} and enter {everywhere.code}"
            )
            assert "█" in invitation(everywhere, unicode=True)
            assert everywhere.link == f"{everywhere.url}#{everywhere.code}"
        finally:
            everywhere.close()


def reached(remote: Remote) -> bool:
    try:
        return ask(remote, "GET", "/").status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    with Phone(tmp_path_factory.mktemp("phone")) as opened:
        yield opened


class TestPage:
    """One browser for all; each test has a remote of its own, on another port, and so another cookie."""

    def test_a_code_is_typed_and_the_page_stays_paired(self, phone, remote):
        phone.open(remote.url)
        phone.see("h1", "stemlive")
        phone.find("#code").send_keys("1")
        phone.tap("#enter")
        phone.see("#wrong", "That is not the code.")
        phone.find("#code").clear()
        phone.find("#code").send_keys(f"{remote.code[:3]} {remote.code[3:]}")
        phone.tap("#enter")
        phone.see("#title", MARK)  # as text
        phone.open(remote.url)
        phone.see("#title", MARK)
        assert not [text for text in phone.complaints() if "403" not in text]

    def test_a_finger_moves_everything(self, phone, remote, controls, monkeypatch):
        monkeypatch.setattr("stemlive.realtime.control.controls.check_key_change", lambda: None)
        phone.open(remote.link)
        phone.see("#place p", "1:23 / 3:20")
        assert phone.browser.execute_script("return location.href") == remote.url, "the code stays in no history"
        phone.tap_on("Karaoke")
        wait_until(lambda: phone.pressed() == ["Karaoke", "Mute vocals"], "karaoke", patience_s=60)
        assert controls.muted == {"vocals"}
        phone.tap_on("Solo drums")
        wait_until(lambda: controls.soloed == {"drums"}, "the solo", patience_s=60)
        phone.tap_on("Bypass")
        wait_until(lambda: controls.bypass, "the bypass", patience_s=60)
        phone.drag("Bass", -0.315)
        wait_until(lambda: -18.5 <= controls.gains_db["bass"] <= -17.5, "half of the way to 0 dB", patience_s=60)
        phone.drag("Bass", -0.4)
        wait_until(lambda: controls.gains_db["bass"] == float("-inf"), "off", patience_s=60)
        phone.drag("Reverberation", 0.25)
        wait_until(lambda: 0.2 <= controls.microphone_reverb <= 0.3, "reverberation", patience_s=60)
        for _ in range(2):
            phone.tap("#lower")
        phone.see("#key", "−2")
        assert controls.semitones == -2
        phone.tap("#play")
        wait_until(lambda: controls.song.playing, "the song", patience_s=60)
        phone.drag("Place in the song", 0.3)
        wait_until(lambda: abs(controls._memory.parameters["seek_s"] - 143.4) < 3, "the place", patience_s=60)
        assert controls._memory.parameters["seeks"] == 1
        assert not phone.complaints()

    def test_a_touch_moves_no_fader_and_two_lead_back_to_0_db(self, phone, remote, controls):
        controls.set_gain_db("drums", -9)
        phone.open(remote.link)
        drums = "#stems .card:nth-child(2)"
        phone.see(f"{drums} .value", "−9.0 dB")
        phone.tap(f"{drums} .fader")
        phone.tap_on("Mute bass")
        wait_until(lambda: controls.muted == {"bass"}, "the mute, which came after the touch", patience_s=60)
        assert controls.gains_db["drums"] == -9
        phone.double_tap(f"{drums} .fader")
        phone.see(f"{drums} .value", "0.0 dB")
        wait_until(lambda: controls.gains_db["drums"] == 0, "0 dB", patience_s=60)

    def test_a_song_of_the_queue_is_chosen(self, phone, controls):
        conductor = Conductor(SongQueue(["a.mp3", f"{MARK.replace('/', '')}.mp3", "c.mp3"]))
        remote = Remote(RemoteDesk(controls, lambda: SONG, conductor=conductor), "127.0.0.1", 0, complain=print)
        try:
            phone.open(remote.link)
            phone.see("#title", "a")
            phone.tap("#queue li:nth-child(3) button")
            phone.see("#title", "c")
            phone.tap("#next")  # there is none: the button is off
            conductor.queue.remove([0])
            phone.see("#queue li:nth-child(1)", f"1. {MARK.replace('/', '')}")
            assert len(phone.browser.find_elements("css selector", "#queue li")) == 2
            assert phone.text("[aria-current=true]") == "2. c"
        finally:
            remote.close()

    def test_all_phones_see_the_same_and_a_problem_is_told(self, phone, remote, controls, monkeypatch):
        phone.open(remote.link)
        phone.see("#key", "original")
        first = phone.browser.current_window_handle
        phone.browser.switch_to.new_window("tab")
        phone.open(remote.url)
        phone.see("#key", "original")
        phone.tap_on("Mute other")
        wait_until(lambda: phone.pressed() == ["Mute other"], "the mute here", patience_s=60)

        def missing() -> None:
            raise StemliveError("a key change needs the library Rubber Band")

        monkeypatch.setattr("stemlive.realtime.control.controls.check_key_change", missing)
        phone.tap("#higher")
        phone.see("#banner", "a key change needs the library Rubber Band")
        phone.browser.close()
        phone.browser.switch_to.window(first)
        wait_until(lambda: phone.pressed() == ["Mute other"], "the mute there", patience_s=60)

    def test_nothing_is_wider_than_the_screen_and_each_button_is_large_enough(self, phone, remote):
        for dark, ground in ((False, "rgb(243, 243, 241)"), (True, "rgb(18, 18, 20)")):
            phone.open(remote.link if not dark else remote.url, dark=dark)
            phone.see("#key", "original")
            assert phone.browser.execute_script("return document.documentElement.scrollWidth") == 390
            assert phone.find("body").value_of_css_property("background-color").replace("a", "").startswith(ground[:-1])
            sizes = [button.rect for button in phone.browser.find_elements("css selector", "main button, .fader")]
            shown = [rect for rect in sizes if rect["width"]]
            assert len(shown) > 20 and min(rect["height"] for rect in shown) >= 36
            assert min(rect["width"] for rect in shown) >= 52

    def test_when_the_program_has_ended_the_page_says_so_and_comes_back(self, phone, desk):
        first = Remote(desk, "127.0.0.1", 0, complain=print)
        phone.open(first.link)
        phone.see("#key", "original")
        first.close()
        phone.see("#banner", "No connection to stemlive. Trying again …")
        again = Remote(desk, "127.0.0.1", first.port, complain=print)
        try:
            phone.see("#pair h1", "stemlive")  # another run, another code
            phone.find("#code").send_keys(again.code)
            phone.tap("#enter")
            phone.see("#key", "original")
        finally:
            again.close()


def test_the_page_s_presets_are_called_as_in_the_window():
    from stemlive.gui.presets import BUILT_IN

    page = (Path(__file__).parent.parent / "realtime/assets/remote.html").read_text(encoding="utf-8")
    named = re.search(r"const PRESETS = \{(.*?)\}", page, re.DOTALL)
    assert named is not None
    assert dict(re.findall(r'"?([\w-]+)"?: "(.*?)"', named[1])) == dict(BUILT_IN)
