"""Where a remote listens, and what this machine is called in its network."""

import errno
import socket

from stemlive.errors import StemliveError

_SOMEWHERE = ("192.0.2.1", 9)
"""An address for documentation (RFC 5737). Nothing is sent to it: it is only asked which way it would go."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. StemliveError says what is wrong with the address."""
    where = f"{bracketed(host)}:{port}"
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            problem = "another program has this port, take another"
        elif error.errno == errno.EADDRNOTAVAIL:
            problem = f"this machine does not have that address (it has {own_address()}; 0.0.0.0 is all of its own)"
        elif isinstance(error, socket.gaierror):
            problem = "there is no such address"
        else:
            problem = error.strerror or str(error)
        raise StemliveError(f"the remote cannot listen on {where}: {problem}") from error


def own_address() -> str:
    """Return this machine's address in the network that leads outside; the loopback address where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_SOMEWHERE)
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def bracketed(host: str) -> str:
    """Return a host as an address on the web writes it."""
    return f"[{host}]" if ":" in host else host
