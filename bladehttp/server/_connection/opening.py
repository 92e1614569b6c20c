"""The opening of a connection: a PROXY header, a TLS handshake, on_connect. It knows no HTTP."""

from dataclasses import replace

from bladehttp._message.request import ClientInfo
from bladehttp._wire.proxy import ProxyReader
from bladehttp.exceptions import ProtocolError
from bladehttp.server._connection.state_machine import StateMachine
from bladehttp.server._connection.states import Event
from bladehttp.server._net.transport import receive_proxy_header


def begin(connection: StateMachine) -> None:
    """Go on to the PROXY header, the handshake, or the first request."""
    if not connection.context.proxy_protocol:
        _end_proxy_header(connection)


def read_proxy_header(connection: StateMachine, reader: ProxyReader) -> None:
    """Read a PROXY header, and no byte beyond it, as far as it has come.

    Raises:
        OSError: It is malformed, or the connection is lost: nobody is told.
    """
    try:
        is_complete = receive_proxy_header(connection.transport.socket, reader)
    except ProtocolError as error:
        connection.context.stats.refused += 1
        raise ConnectionResetError(str(error)) from error
    if not is_complete:
        return
    if reader.source is not None:
        ip, port = reader.source.ip, reader.source.port
        connection.client = ClientInfo(ip, port, ipv6=":" in ip)
    _end_proxy_header(connection)


def _end_proxy_header(connection: StateMachine) -> None:
    connection.transition(Event.INTRODUCED)
    if not connection.context.is_secure:
        _end_handshake(connection)


def handshake(connection: StateMachine) -> bool:
    """Continue the TLS handshake.

    Returns:
        Whether it is complete: the first request may have come with its end.

    Raises:
        PlainHttpError: The client speaks plain text.
        OSError: The handshake failed.
    """
    if not connection.transport.handshake():
        return False
    certificate = connection.transport.certificate()
    if certificate:
        connection.client = replace(connection.client, certificate=certificate)
    _end_handshake(connection)
    return True


def _end_handshake(connection: StateMachine) -> None:
    connection.transition(Event.SECURED)
    connection.is_connected = True
    connection.call("connect", connection.transport.socket)
