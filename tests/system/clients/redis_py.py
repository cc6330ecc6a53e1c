"""redis_py.py - redis-py, unmodified, against the Redis door: alone, and its
RedisCluster."""
import sys
import time

import redis
from redis.cluster import ClusterNode, RedisCluster


def everyday(r):
    """What programs do with strings."""
    assert r.ping()
    assert r.set("py", "v", ex=100) is True
    assert r.get("py") == b"v"
    assert 90 < r.ttl("py") <= 100
    assert r.set("py", "w", nx=True) is None
    assert r.set("py", "w", xx=True, get=True) == b"v"
    assert r.get("none") is None
    assert r.incr("py:n", 5) == 5 and r.decr("py:n") == 4
    assert r.incrbyfloat("py:f", 1.5) == 1.5
    assert r.append("py", "x") == 2 and r.strlen("py") == 2
    assert r.getrange("py", 0, 0) == b"w"
    assert r.setrange("py", 1, "yz") == 3
    assert r.getdel("py") == b"wyz"
    assert r.getex("py:n", px=50000) == b"4"
    assert 0 < r.pttl("py:n") <= 50000
    assert r.persist("py:n") is True and r.ttl("py:n") == -1
    assert r.expire("py:n", 10) is True
    assert r.type("py:n") == b"string"
    assert r.delete("py:n") == 1 and r.exists("py:n") == 0
    assert r.set("py:soon", "v", px=100)
    end = time.monotonic() + 20
    while r.get("py:soon") is not None:
        assert time.monotonic() < end, "a key does not expire"
        time.sleep(.02)


def alone(port):
    r = redis.Redis(port=port, client_name="test")
    everyday(r)
    assert r.mset({f"py{i}": i for i in range(50)})
    assert r.mget([f"py{i}" for i in range(50)]) == \
        [str(i).encode() for i in range(50)]
    assert sorted(r.scan_iter("py*", count=7)) == \
        sorted([f"py{i}".encode() for i in range(50)] + [b"py:f"])
    assert len(r.keys("py?")) == 10
    assert r.dbsize() == 51
    with r.pipeline(transaction=False) as p:
        for i in range(200):
            p.set(f"py{i % 9}", i).get(f"py{i % 9}")
        got = p.execute()
    assert got[1::2] == [str(i).encode() for i in range(200)]
    assert r.info()["redis_mode"] == "cluster"
    assert r.client_getname() == "test"
    assert r.config_get("save") == {"save": ""}
    assert r.command_count() > 40
    assert "get" in r.command()
    assert r.flushdb() and r.dbsize() == 0
    try:
        r.execute_command("NONSENSE")
        raise AssertionError("NONSENSE is a command")
    except redis.ResponseError as e:
        assert str(e).startswith("unknown command 'NONSENSE'"), e
    r.close()


def cluster(port):
    r = RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", port)])
    assert len(r.get_primaries()) == 3, r.get_nodes()
    everyday(r)
    for i in range(100):
        assert r.set(f"pc{i}", i)
    for i in range(100):
        assert r.get(f"pc{i}") == str(i).encode()
    assert r.mset_nonatomic({f"pc{i}": -i for i in range(30)})
    assert r.mget_nonatomic([f"pc{i}" for i in range(30)]) == \
        [str(-i).encode() for i in range(30)]
    assert r.keyslot("foo") == r.cluster_keyslot("foo") == 12182
    with r.pipeline() as p:
        for i in range(100):
            p.get(f"pc{i}")
        assert len(p.execute()) == 100
    assert r.delete(*[f"pc{i}" for i in range(100)]) == 100
    r.close()


if __name__ == "__main__":
    alone(int(sys.argv[1]))
    cluster(int(sys.argv[1]))
    print("python3-redis: ok")
