"""Sockets and WebRequest as a terminal offers them, against real servers, plain and TLS."""

import contextlib
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.native.building import Build

Serve = Callable[[socket.socket], None]


@contextlib.contextmanager
def serving(serve: Serve, wrap: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server for one connection on a free port."""
    listening = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with contextlib.suppress(OSError):
            taken, _ = listening.accept()
            with wrap.wrap_socket(taken, server_side=True) if wrap else taken as connection:
                serve(connection)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield listening.getsockname()[1]
    listening.close()
    thread.join(5)


def echo_until_bye(connection: socket.socket) -> None:
    while (data := connection.recv(100)) != b"bye" and data:
        connection.sendall(data)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file with key and certificate for localhost, made for this run."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    what = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    who = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", *what, *who, "-keyout", str(path), "-out", str(path.with_suffix(".crt"))]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl command: no certificate for the TLS tests")
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


def test_a_plain_socket_has_the_documented_traps(build: Build) -> None:
    with serving(echo_until_bye) as port:
        ran = build("Sockets").run("--set", f"Port={port}")
    assert ran.out == [
        "first readable 1 0",  # although nothing is there
        "then 0 0",
        "timeout -1 5273",  # the same as for a broken link
        "connected 1 0",
        "sent 5 0",
        "read 3 0",
        "hel",
        "more 2 0",
        "lo",
        "last 3 0",
        "after the end 0 0",
        "read after it -1 5273",
        "closed 0 5270",
    ]


def test_tls_reads_wait_for_all_that_was_asked(build: Build, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(echo_until_bye, context) as port:
        where = ("--set", f"Port={port}", "--set", "Tls=true", "--ca", str(certificate.with_suffix(".crt")))
        ran = build("Sockets").run(*where)
    if "built without OpenSSL" in ran.err:
        pytest.skip("no OpenSSL headers: the runner has no TLS")
    assert ran.out[:7] == ["nothing available 0 0", "connected 1 0", "sent 5 0", "read 3 0", "hel", "more 2 0", "lo"]
    assert ran.out[7:] == ["last 3 0", "after the end 0 0", "read after it -1 5273", "closed 0 5270"]


def test_a_certificate_that_is_not_trusted_is_refused(build: Build, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(echo_until_bye, context) as port:
        ran = build("Sockets").run("--set", f"Port={port}", "--set", "Tls=true")
    if "built without OpenSSL" in ran.err:
        pytest.skip("no OpenSSL headers: the runner has no TLS")
    assert ran.out == ["handshake 0 5274"]
    assert "TLS: localhost" in ran.err


def test_what_nobody_listens_on_and_what_is_not_in_the_list_is_not_reached(build: Build) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    program = build("Sockets")
    assert program.run("--set", f"Port={port}").out == ["connect 0 5272"]
    assert program.run("--set", f"Port={port}", "--allow", "hub.example").out == ["connect 0 4014"]


CHUNKED = b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\nX-Answer: yes\r\n\r\n3\r\n\xe6\x97\xa5\r\n2\r\nok\r\n0\r\n\r\n"
SIZED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\nX-Answer: yes\r\n\r\n\xe6\x97\xa5ok"


@pytest.mark.parametrize("answer", [CHUNKED, SIZED], ids=["chunked", "sized"])
def test_webrequest_posts_and_reads_the_answer(build: Build, answer: bytes) -> None:
    seen = bytearray()

    def serve(connection: socket.socket) -> None:
        while not seen.endswith(b'{"a":1}'):
            seen.extend(connection.recv(1000))
        connection.sendall(answer)
        connection.recv(1)  # the client hangs up: it does not wait for us to

    with serving(serve) as port:
        ran = build("Web").run("--set", f"Port={port}")
    assert ran.out == ["202 0 日ok true"]
    head = seen.decode().split("\r\n")
    assert head[0] == "POST /poll?x=1 HTTP/1.1"
    assert {"Authorization: Bearer t", "Content-Type: application/json", "Content-Length: 7"} <= set(head)


def test_webrequest_says_what_failed(build: Build) -> None:
    program = build("Web")
    with serving(lambda connection: connection.recv(1) and None) as port:
        assert program.run("--set", f"Port={port}").out == ["-1 5203  false"]  # hung up without an answer
        assert program.run("--set", f"Port={port}", "--allow", "hub.example").out == ["-1 4014  false"]
    assert program.run("--set", "Port=0").out == ["-1 5200  false"]

    def silent(connection: socket.socket) -> None:
        while connection.recv(1000):
            pass

    with serving(silent) as port:
        assert program.run("--set", f"Port={port}").out == ["-1 5202  false"]


@pytest.mark.parametrize(
    ("declared", "call"),
    [
        ("uchar", 'WebRequest("GET", "http://127.0.0.1/", "", 1000, a, b, head)'),
        ("char", 'StringToCharArray("a", a)'),
    ],
)
def test_bytes_of_the_other_kind_do_not_compile_as_in_metaeditor(
    build: Build, tmp_path: Path, capfd: pytest.CaptureFixture[str], declared: str, call: str
) -> None:
    """The terminal's functions take the kind of array that is documented, and no other is converted to it."""
    source = tmp_path / "p.mq5"
    source.write_text(f"void OnStart(void)\n  {{\n   {declared} a[], b[];\n   string head;\n   {call};\n  }}\n")
    with pytest.raises(Exception, match=r"g\+\+ failed"):
        build(source)
    assert re.search(r"p\.mq5:5:\d+: error: .*array<", capfd.readouterr().err)
