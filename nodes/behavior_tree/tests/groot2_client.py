"""Groot2's part of its live protocol, as it is published. Arguments: the port, and what to do: `control` goes through
every request and ends the run, `read-only` sees that nothing can be changed, `leave` goes away at a breakpoint.

The tree is that of groot2.rs: 1 Sequence, 2 Script, 3 SubTree, 4 its leaf, 5 KeepRunningUntilFailure, 6 Work.
"""

import json
import random
import struct
import sys
import time
import xml.etree.ElementTree as ElementTree

import msgpack
import zmq

RUNNING, SUCCESS, FAILURE = 1, 2, 3
IDLE_FROM_SUCCESS = 12
TIMEOUT_MS = 20_000


class Refused(Exception):
    pass


class Groot:
    def __init__(self, port):
        context = zmq.Context.instance()
        self.requests = context.socket(zmq.REQ)
        self.notifications = context.socket(zmq.SUB)
        for socket in (self.requests, self.notifications):
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.RCVTIMEO, TIMEOUT_MS)
        self.notifications.setsockopt(zmq.SUBSCRIBE, b"")
        self.requests.connect(f"tcp://127.0.0.1:{port}")
        self.notifications.connect(f"tcp://127.0.0.1:{port + 1}")
        self.tree_id = None

    def send(self, *parts):
        self.requests.send_multipart(parts)
        reply = self.requests.recv_multipart()
        if reply[0] == b"error":
            raise Refused(reply[1].decode())
        return reply

    def ask(self, kind, body=None):
        head = struct.pack("<BBI", 2, ord(kind), random.getrandbits(32))
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        reply = self.send(head, *([] if body is None else [body.encode()]))
        assert len(reply[0]) == 22 and reply[0][:6] == head, reply[0]
        self.tree_id = self.tree_id or reply[0][6:]
        assert reply[0][6:] == self.tree_id
        assert len(reply) <= 2
        return reply[1] if len(reply) == 2 else None

    def statuses(self):
        return dict(struct.iter_unpack("<HB", self.ask("S")))

    def transitions(self):
        records = struct.iter_unpack("<IHHB", self.ask("t"))
        return [(low + (high << 32), uid, status) for low, high, uid, status in records]

    def hooks(self):
        return json.loads(self.ask("D"))

    def await_reached(self, uid):
        deadline = time.monotonic() + TIMEOUT_MS / 1000
        while True:
            # Whoever is silent for too long loses the breakpoints.
            while not self.notifications.poll(50):
                self.statuses()
                assert time.monotonic() < deadline
            head, node = self.notifications.recv_multipart()
            assert len(head) == 6 and head[:2] == b"\x02N", head
            if node == str(uid).encode():
                return

    def goes_on(self):
        self.transitions()
        until(lambda: any(uid == 6 for _, uid, _ in self.transitions()))


def until(holds):
    deadline = time.monotonic() + TIMEOUT_MS / 1000
    while not holds():
        assert time.monotonic() < deadline


def refused(request, word):
    try:
        request()
    except Refused as error:
        assert word in str(error), error
    else:
        raise AssertionError(f"was to be refused: {word}")


def hook(uid, **changes):
    plain = dict(enabled=True, uid=uid, mode=0, once=False, desired_status="SKIPPED", position=0)
    return plain | changes


def look(groot):
    root = ElementTree.fromstring(groot.ask("T"))
    trees = {tree.get("ID"): tree for tree in root.iter("BehaviorTree")}
    uids = [int(node.get("_uid")) for tree in trees.values() for node in tree.iter() if node.get("_uid")]
    assert sorted(uids) == [1, 2, 3, 4, 5, 6], uids
    assert trees["Sub"].get("_fullpath") == "sub"
    assert [node.get("ID") for node in root.find("TreeNodesModel")].count("Work") == 1

    # All six, in order.
    assert list(groot.statuses()) == [1, 2, 3, 4, 5, 6]
    until(lambda: groot.statuses()[5] == RUNNING)
    expected = {1: RUNNING, 2: SUCCESS, 3: SUCCESS, 4: IDLE_FROM_SUCCESS, 5: RUNNING}
    until(lambda: expected.items() <= groot.statuses().items())

    # A tree whose ticks are late shows what was there before.
    boards = {"Main": {"speed": 0.5, "object": "cube"}, "sub": {"what": "cube"}}
    until(lambda: msgpack.unpackb(groot.ask("B", "Main;sub;nobody")) == boards)
    assert msgpack.unpackb(groot.ask("B", "")) == {}

    date = int(groot.ask("r", "start")) / 1e6
    assert abs(time.time() - date) < 60
    seen = []
    until(lambda: seen.extend(groot.transitions()) or len(seen) > 3)
    assert {uid for _, uid, _ in seen} == {6}, seen
    assert [micros for micros, _, _ in seen] == sorted(micros for micros, _, _ in seen)
    assert groot.ask("r", "stop") is None
    groot.transitions()
    assert groot.transitions() == []


def malformed(groot):
    refused(lambda: groot.send(b"\x02S"), "header")
    refused(lambda: groot.send(b""), "header")
    refused(lambda: groot.send(b"\x02S\0\0\0\0\0"), "header")
    refused(lambda: groot.ask("?"), "recognized")
    for kind in "BIRUr":
        refused(lambda: groot.ask(kind), "2 parts")
    refused(lambda: groot.send(b"\x02B\0\0\0\0", b"Main", b"Sub"), "2 parts")
    refused(lambda: groot.send(b"\x02B\0\0\0\0", b"\xff"), "utf-8")
    refused(lambda: groot.ask("r", "pause"), "start or stop")


def control(groot):
    for body in ("{", "[1]", "{}", "nothing"):
        refused(lambda: groot.ask("I", body), "")
    for change in (dict(position=2), dict(mode=2), dict(desired_status="DONE"), dict(uid=-1), dict(uid=70000)):
        refused(lambda: groot.ask("I", hook(6) | change), "")
    for uid in (0, 7):
        refused(lambda: groot.ask("I", hook(uid)), "not found")
    assert groot.hooks() == []
    refused(lambda: groot.ask("R", dict(uid=6, position=0)), "not found")
    unlock = dict(uid=6, position=0, desired_status="SUCCESS", remove_when_done=False)
    refused(lambda: groot.ask("U", unlock), "not found")

    # A hook that changes nothing is told in every tick: from the first one on this client hears them.
    groot.ask("I", [hook(5, mode=1), hook(5, mode=1, position=1)])
    groot.await_reached(5)
    assert len(groot.hooks()) == 2
    groot.ask("A")
    assert groot.hooks() == []

    groot.ask("r", "start")
    groot.ask("I", hook(6))
    groot.await_reached(6)
    assert groot.hooks() == [hook(6)]
    groot.transitions()
    assert msgpack.unpackb(groot.ask("B", "Main"))["Main"]["speed"] == 0.5
    assert groot.transitions() == [], "the tick waits"
    # It comes round to the breakpoint again.
    groot.ask("U", unlock)
    groot.await_reached(6)
    groot.ask("U", unlock | dict(remove_when_done=True))
    groot.goes_on()
    assert groot.hooks() == []

    groot.ask("I", hook(6, position=1))
    groot.await_reached(6)
    groot.ask("R", dict(uid=6, position=1))
    groot.goes_on()

    groot.ask("I", hook(6))
    groot.await_reached(6)
    groot.ask("X")
    groot.goes_on()
    assert groot.hooks() == [hook(6, enabled=False)]

    # A breakpoint that becomes a replacement lets its tick go on; this one ends the run.
    groot.ask("I", hook(6))
    groot.await_reached(6)
    groot.ask("I", hook(6, mode=1, once=True, desired_status="FAILURE"))


def main():
    groot = Groot(int(sys.argv[1]))
    if sys.argv[2] == "leave":
        groot.ask("I", hook(5, mode=1))
        groot.await_reached(5)
        groot.ask("I", hook(6))
        groot.await_reached(6)
        return
    look(groot)
    malformed(groot)
    if sys.argv[2] == "control":
        control(groot)
    else:
        refused(lambda: groot.ask("I", hook(6)), "control is off")
        assert groot.hooks() == []
        groot.ask("A")
        groot.ask("X")
        assert groot.statuses()[5] == RUNNING


main()
