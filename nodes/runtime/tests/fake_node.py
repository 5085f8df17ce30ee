#!/usr/bin/env python3
"""A node that does as its arguments say, and notes what happens to it in a journal: JOURNAL NAME ACTION...

ready               says that it is ready (sd_notify)
gate=SOCKET         takes orders there, notes them, and says that the base stands after a latch
wait                until SIGTERM, then ends with 0
deaf                until SIGKILL
exit=CODE:TEXT      ends with that status, its last words TEXT
once=ACTION         ACTION only in its first life
"""
import os
import signal
import socket
import sys
import threading

journal_path, name, *actions = sys.argv[1:]


def note(text):
    with open(journal_path, "a") as journal:
        journal.write(f"{name} {text}\n")


def notify(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify_socket:
        notify_socket.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])


def take_orders(path):
    if os.path.exists(path):
        os.unlink(path)
    orders = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    orders.bind(path)

    def listen():
        while True:
            order = orders.recv(1000).decode()
            note(order)
            if order.startswith(("latch", "end")):
                notify("STATUS=standing")

    threading.Thread(target=listen, daemon=True).start()


def do(action):
    word, _, rest = action.partition("=")
    if word == "ready":
        note("ready")
        notify("READY=1")
    elif word == "gate":
        take_orders(rest)
    elif word == "wait":
        signal.sigwait({signal.SIGTERM})
        note("ends")
        sys.exit(0)
    elif word == "deaf":
        while True:
            signal.sigwait({signal.SIGTERM})
            note("hears nothing")
    elif word == "exit":
        code, _, words = rest.partition(":")
        print(words, file=sys.stderr)
        sys.exit(int(code))
    elif word == "once":
        if not second_life:
            do(rest)


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
first_life_marker = f"{journal_path}.{name}"
second_life = os.path.exists(first_life_marker)
open(first_life_marker, "w").close()
note(f"starts {os.getpid()}")
for one in actions:
    do(one)
