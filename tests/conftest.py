"""What all tests share: quiet thread pools, and no skip that nobody sees."""

import fcntl
import itertools
import os
import signal
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import hypothesis  # noqa: F401 - before a test freezes the objects of the collector, among which it looks
import jack_server
import onnx_models
import pytest

# A shell starts what goes on in the background with Ctrl-C ignored, and so would the programs under test be.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config):
    """What killed servers have left would let no new one start; each worker of xdist comes later."""
    if not hasattr(config, "workerinput"):
        jack_server.forget_killed_servers()


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """The path of a model in the framing `live` that splits each bin by how steady it is: no weights, and quick."""
    info = onnx_models.metadata((2048, 1024, 512))
    return str(onnx_models.write_model(tmp_path_factory.mktemp("model") / "live.onnx", info))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A JACK server that runs."""
    running = jack_server.Server(tmp_path_factory.mktemp("jack"))
    running.start()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def jack_turn(request):
    """Let one test at a time have clients of JACK.

    A client's socket is named by the client and the user, not by the server: of two that open within milliseconds and
    have one name, on different servers even, neither is let in.
    """
    if "server" in request.fixturenames:
        on_jack = isinstance(request.getfixturevalue("server"), jack_server.Server)
    else:
        on_jack = "Server" in vars(request.module)
    if not on_jack:
        yield
        return
    with Path(tempfile.gettempdir(), f"stemlive-jack-{os.getuid()}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """One more than there are cores, for many a test waits for other processes, or for sound."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """On CI everything that tests need is installed, so a skip there is a failure."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped on CI: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter):
    """Say how many dropouts the tests of live sound have counted (`record_property`)."""
    reports = itertools.chain.from_iterable(terminalreporter.stats.values())
    counts = [
        value
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if report.when == "call"
        if name == "dropouts"
    ]
    if counts:
        terminalreporter.write_line(f"{sum(counts)} dropouts counted in {len(counts)} tests of live sound")
