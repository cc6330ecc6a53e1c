"""resp.py - the Redis protocol by hand, for tests: what a server answers, as it
stands on the wire."""
import socket


class Error(str):
    """An error reply."""


class Resp:
    """One connection."""

    def __init__(self, port, host="127.0.0.1", seconds=60):
        self.socket = socket.create_connection((host, port), seconds)
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, *words):
        self.socket.sendall(encode(words))

    def ask(self, *words):
        """One command, its reply."""
        self.send(*words)
        return self.read()

    def pipeline(self, commands):
        """All at once; the replies in order."""
        self.socket.sendall(b"".join(encode(c) for c in commands))
        return [self.read() for _ in commands]

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed")
        kind, rest = line[:1], line[1:-2]
        if kind in (b"$", b"="):
            size = int(rest)
            if size < 0:
                return None
            data = self.file.read(size + 2)[:-2]
            return data[4:] if kind == b"=" else data
        if kind in (b"*", b"~", b">"):
            return None if int(rest) < 0 else \
                [self.read() for _ in range(int(rest))]
        if kind == b"%":
            return {self.read(): self.read() for _ in range(int(rest))}
        if kind == b":":
            return int(rest)
        if kind == b"-":
            return Error(rest.decode("utf-8", "replace"))
        if kind == b"_":
            return None
        return rest.decode()


def encode(words):
    """A command as an array of bulk strings."""
    parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(parts) + b"".join(
        b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)
