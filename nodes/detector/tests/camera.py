"""A camera in a process of its own: puts the same message for each line that it reads.

    python3 camera.py ENDPOINT KEY FILE
"""

import sys

import zenoh

endpoint, key, path = sys.argv[1:]
config = zenoh.Config()
config.insert_json5("mode", '"client"')
config.insert_json5("connect/endpoints", f'["{endpoint}"]')
config.insert_json5("scouting/multicast/enabled", "false")
with open(path, "rb") as file:
    message = file.read()
with zenoh.open(config) as session:
    publisher = session.declare_publisher(
        key, congestion_control=zenoh.CongestionControl.BLOCK
    )
    print("ready", flush=True)
    for _ in sys.stdin:
        publisher.put(message)
