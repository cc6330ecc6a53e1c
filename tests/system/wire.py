"""wire.py - the native protocol by hand, for what the library never does:
asking one certain node, and sending frames that are wrong in one place.

Layout from rpc/frame.h and proto/client.proto, written down once more on
purpose: a mistake on both sides of our own code would not be seen by it."""
import socket
import struct
import time

VERSION = 1
REQUEST, REPLY, ONEWAY = 1, 2, 4
GET, GET_REPLY, SET, DELETE, WRITE_REPLY = 1, 2, 3, 4, 5
MAP, STATUS, ERROR, HELLO = 0x10, 0x12, 0xff, 0x100
LEADERLESS = {8, 11, 12, 13}  # NOT_LEADER, UNAVAILABLE, TIMEOUT, UNKNOWN
PAYLOAD_MAX = 16 * 1024 * 1024 + 65535 + 4096


def _table():
    rows = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82f63b78 if n & 1 else 0)
        rows.append(n)
    return rows


_CRC = _table()


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


def frame(kind, message, payload=b"", request=1, version=VERSION, length=None,
          crc=None, remaining=5000):
    """One frame; length and crc only to send a wrong one."""
    head = struct.pack("<I", len(payload) if length is None else length)
    tail = struct.pack("<BBHIQ", version, kind, message, remaining, request)
    if crc is None:
        crc = crc32c(head + tail + payload)
    return head + struct.pack("<I", crc) + tail + payload


def varint(n):
    out = bytearray()
    while n > 0x7f:
        out.append(n & 0x7f | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, value):
    """A field of bytes (or text), or of an unsigned integer."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def parse(data):
    """{number: last value} of a message; nested ones stay bytes."""
    out, at = {}, 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return n
    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            out[tag >> 3] = number()
        elif tag & 7 == 2:
            size = number()
            out[tag >> 3] = data[at:at + size]
            at += size
        else:
            raise ValueError(f"wire type {tag & 7}")
    return out


class Connection:
    """A blocking connection to one node."""

    def __init__(self, port, seconds=10):
        self.socket = socket.create_connection(("127.0.0.1", port), seconds)
        self.socket.settimeout(seconds)
        self.request = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                return None
            data += part
        return data

    def receive(self):
        """(kind, message, request id, payload), or None when closed."""
        head = self._exactly(24)
        if head is None:
            return None
        length, crc, version, kind, message, _, request = struct.unpack(
            "<IIBBHIQ", head)
        payload = self._exactly(length)
        if payload is None:
            return None
        if version != VERSION or crc32c(head[:4] + head[8:] + payload) != crc:
            raise ValueError("a damaged frame came back")
        return kind, message, request, payload

    def rest(self):
        """All bytes until the other side closes."""
        data = b""
        try:
            while True:
                part = self.socket.recv(65536)
                if not part:
                    return data
                data += part
        except ConnectionError:
            return data

    def ask(self, message, payload):
        """One request; (message, fields) of its reply, None when closed."""
        self.request += 1
        self.send(frame(REQUEST, message, payload, self.request))
        while True:
            got = self.receive()
            if got is None:
                return None
            if got[2] == self.request:
                return got[1], parse(got[3])

    def ask_on(self, message, payload):
        """As ask, again while the group has no leader, or is losing one: on a
        busy machine that may be at any time. The fields of the last reply."""
        end = time.monotonic() + 30
        while True:
            _, fields = self.ask(message, payload)
            if fields.get(1) not in LEADERLESS or time.monotonic() > end:
                return fields
            time.sleep(0.05)

    def get(self, key):
        """(status number, value)"""
        fields = self.ask_on(GET, field(2, key))
        return fields.get(1), fields.get(2, b"")

    def set(self, key, value):
        """The status number. It may be executed several times."""
        return self.ask_on(SET, field(2, key) + field(3, value)).get(1)
