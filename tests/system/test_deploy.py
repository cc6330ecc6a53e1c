"""test_deploy.py - deploy/up and deploy/down on a folder of their own."""
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile

import cluster
from cluster import expect, free_base_port, program
from harness import test

HERE = os.path.dirname(os.path.abspath(__file__))
DEPLOY = os.path.join(os.path.dirname(os.path.dirname(HERE)), "deploy")


class Deployment:
    """up and down with their data elsewhere than in run/."""

    def __init__(self):
        self.run = tempfile.mkdtemp(prefix="coatcheck-run-",
                                    dir=cluster.data_folder())
        self.port = free_base_port(5)
        self.environment = {**os.environ, "COAT_RUN_DIR": self.run,
                            "COAT_BUILD_DIR": cluster.build_folder()}
        self.environment.pop("SUDO_USER", None)

    def call(self, command, *arguments):
        done = subprocess.run([os.path.join(DEPLOY, command), *arguments],
                              env=self.environment, text=True, timeout=300,
                              stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        return done.returncode, done.stdout

    def up(self, *arguments):
        return self.call("up", "--base-port", str(self.port), *arguments)

    def good(self, command, *arguments):
        code, out = self.call(command, *arguments)
        expect(code == 0, f"{command} {arguments}: {code}: {out[-1500:]}")
        return out

    def cli(self, *arguments):
        return subprocess.run(
            [program("coatcheck"), "-e", f"127.0.0.1:{self.port + 10}",
             *arguments], capture_output=True, text=True, timeout=60)


@contextlib.contextmanager
def deployment():
    d = Deployment()
    try:
        yield d
    finally:
        d.call("down", "--wipe")
        shutil.rmtree(d.run, ignore_errors=True)


@test
def up_starts_a_cluster_and_shows_the_tour():
    """Breaks if a newcomer's first command does not end in a cluster that has
    survived a kill before his eyes."""
    with deployment() as d:
        out = d.good("up", "--base-port", str(d.port))
        for word in ("Wien", "the same", "kill -9", "still here",
                     f"127.0.0.1:{d.port + 10}"):
            expect(word in out, f"'{word}' is not shown: {out[-1500:]}")
        again = d.good("up", "--no-tour")
        expect(again.count("runs already") == 3, f"repeated: {again}")
        expect(d.cli("get", "tour:important").stdout.strip() == "still here",
               "the tour's key is there")


@test
def what_up_has_built_can_be_installed():
    """Breaks if up leaves out what no daemon needs: the manual page and the
    completions, without which nothing behind them is installed."""
    with deployment() as d:
        build = cluster.build_folder()
        shutil.rmtree(os.path.join(build, "client", "cli", "texts"))
        d.good("up", "--base-port", str(d.port), "--nodes", "1", "--no-tour")
        prefix = os.path.join(d.run, "prefix")
        done = subprocess.run(
            ["cmake", "--install", build, "--prefix", prefix], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        expect(done.returncode == 0, done.stdout[-1500:])
        for part in ("sbin/coatcheckd", "bin/coatcheck", "share/man",
                     "include/coatcheck.h"):
            expect(os.path.exists(os.path.join(prefix, part)), part)


@test
def up_refuses_by_name_what_does_not_fit_the_data():
    """Breaks if a changed number is half applied to existing data."""
    with deployment() as d:
        d.good("up", "--base-port", str(d.port), "--nodes", "1", "--groups",
               "2", "--no-tour")
        expect(d.cli("set", "kept", "1").returncode == 0, "set")
        for option, value in (("--nodes", "3"), ("--groups", "4"),
                              ("--base-port", str(d.port + 100))):
            code, out = d.call("up", option, value, "--no-tour")
            expect(code == 1 and f"{option} {value}" in out,
                   f"{option}: {code} {out[-300:]}")
        d.good("down")
        d.good("up", "--no-tour")  # what is not said comes from the data
        expect(d.cli("get", "kept").stdout.strip() == "1", "data is kept")
        out = d.good("down", "--wipe")
        expect("deleted" in out and not os.path.exists(
            os.path.join(d.run, "cluster.conf")), "wiped")


@test
def up_shows_why_a_daemon_died_at_start():
    """Breaks if one has to look for a log file to learn that a port is in
    use."""
    with deployment() as d, socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", d.port + 20))
        s.listen()
        code, out = d.up("--no-tour")
        expect(code == 1, f"exit {code}")
        last = out.strip().splitlines()[-1]
        expect("node 2" in last and str(d.port + 20) in last,
               f"the last line: {last}")
        s.close()
        d.good("up", "--no-tour")  # goes on where it stopped


@test
def down_leaves_other_processes_alone():
    """Breaks if a stale pid file makes us kill a stranger."""
    with deployment() as d:
        d.good("up", "--base-port", str(d.port), "--nodes", "1", "--no-tour")
        d.good("down")
        sleeper = subprocess.Popen(["sleep", "1000"])
        try:
            with open(os.path.join(d.run, "n1", "pid"), "w") as f:
                f.write(str(sleeper.pid))
            out = d.good("down")
            expect(sleeper.poll() is None, "a stranger was killed")
            expect("not running" in out, out)
        finally:
            sleeper.kill()
            sleeper.wait()


@test
def wrong_options_of_up_and_down_are_usage_errors():
    """Breaks if a typing mistake starts or deletes something."""
    with deployment() as d:
        for command, arguments in (
                ("up", ("--nodes",)), ("up", ("--nodes", "0")),
                ("up", ("--nodes", "three")), ("up", ("--wipe",)),
                ("up", ("--base-port", "65000")), ("down", ("--all",)),
                ("up", ("--build-type", "Fast"))):
            code, out = d.call(command, *arguments)
            expect(code == 2 and arguments[0] in out,
                   f"{command} {arguments}: {code} {out[-200:]}")
        for command in ("up", "down", "tour", "setup"):
            expect("usage" in d.good(command, "--help"), f"{command} --help")
        expect(not os.listdir(d.run), "nothing was made")
