"""proxy.py - a TCP proxy in front of each node that loses replies.

    with Cluster(start=False) as c, Proxies(c) as proxies:
        c.start()
        ... clients of proxies.endpoints ...

Nodes tell clients the proxies' addresses instead of their own, so a client that
learns the cluster's map cannot go around them. A reply is lost by cutting the
connection when it has come from the node: whatever it answers has happened, and
the client is never told."""
import random
import socket
import threading


class Proxy:
    """In front of one node, on a port of its own."""

    def __init__(self, target, chance, seed):
        self.target, self.chance = target, chance
        self.rng = random.Random(seed)
        self.lost = self.accepted = 0
        self.closing = False
        self.pairs = set()
        self.lock = threading.Lock()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.endpoint = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.closing = True
        self.socket.close()
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            self._cut(pair)

    def _accept(self):
        while not self.closing:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(client,),
                             daemon=True).start()

    def _serve(self, client):
        try:
            node = socket.create_connection(("127.0.0.1", self.target), 5)
        except OSError:
            client.close()
            return
        node.settimeout(None)
        for s in (client, node):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = (client, node)
        with self.lock:
            self.pairs.add(pair)
        threading.Thread(target=self._pass, args=(client, node, pair, False),
                         daemon=True).start()
        self._pass(node, client, pair, True)

    def _pass(self, source, sink, pair, replies):
        """Until one side ends, or a reply is lost."""
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                if replies and self.rng.random() < self.chance:
                    self.lost += 1
                    break
                sink.sendall(data)
        except OSError:
            pass
        self._cut(pair)

    def _cut(self, pair):
        with self.lock:
            if pair not in self.pairs:
                return
            self.pairs.discard(pair)
        for s in pair:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()


class Proxies:
    """One in front of each node of a cluster that has not been started.

    chance: that what a node sends at once is lost, with its connection."""

    def __init__(self, cluster, chance=0.04):
        self.all = []
        for node in cluster.nodes.values():
            proxy = Proxy(node.port, chance, node.number)
            node.extra += ["--advertise-client", proxy.endpoint]
            self.all.append(proxy)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for proxy in self.all:
            proxy.close()

    @property
    def endpoints(self):
        return ",".join(p.endpoint for p in self.all)

    @property
    def lost(self):
        """How many replies so far."""
        return sum(p.lost for p in self.all)
