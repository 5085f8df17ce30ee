"""A program without ROS on the Zenoh side of the bridge.

`zenoh_side.py ENDPOINT watch`: prints `FRAMES n bytes` and `DETECTIONS {first message}`.
`zenoh_side.py ENDPOINT attack`: puts velocities and goals on every key that could reach the robot: prints
`PUTTING`, then `DONE` with the keys that something answered on.
"""

import json
import struct
import sys
import threading
import time

import zenoh


def open_client(endpoint):
    config = zenoh.Config()
    config.insert_json5("mode", '"client"')
    config.insert_json5("connect/endpoints", json.dumps([endpoint]))
    config.insert_json5("scouting/multicast/enabled", "false")
    return zenoh.open(config)


def watch(session):
    frames, detections = [], []
    done = threading.Event()

    def check():
        if len(frames) >= 5 and detections:
            done.set()

    def on_frame(sample):
        frames.append(len(sample.payload.to_bytes()))
        check()

    def on_detections(sample):
        detections.append(json.loads(sample.payload.to_bytes()))
        check()

    first = session.declare_subscriber("camera/color/image_raw", on_frame)
    second = session.declare_subscriber("tb/detections", on_detections)
    if not done.wait(120):
        raise TimeoutError(f"{len(frames)} frames, {len(detections)} detections")
    first.undeclare()
    second.undeclare()
    print("FRAMES", json.dumps({"count": len(frames), "bytes": frames[0]}), flush=True)
    print("DETECTIONS", json.dumps(detections[0]), flush=True)


def twist_stamped(linear):
    """CDR of a geometry_msgs/TwistStamped with an empty frame."""
    header = struct.pack("<iI", 0, 0) + struct.pack("<I", 1) + b"\0"
    header += b"\0" * (-len(header) % 8)
    return b"\x00\x01\x00\x00" + header + struct.pack("<6d", linear, 0, 0, 0, 0, 0)


def attack(session):
    keys = [
        "cmd_vel",
        "ungated/cmd_vel",
        "cmd_vel_nav",
        "goal_pose",
        "ungated/goal_pose",
        "initialpose",
        "ungated/navigate_to_pose/_action/send_goal",
        "navigate_to_pose/_action/send_goal",
    ]
    print("PUTTING", flush=True)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for key in keys:
            session.put(key, twist_stamped(0.2))
        time.sleep(0.02)
    answered = []
    for key in keys:
        for _ in session.get(key, payload=twist_stamped(0.2), timeout=1.0):
            answered.append(key)
    print("DONE", *answered, flush=True)


def main():
    session = open_client(sys.argv[1])
    {"watch": watch, "attack": attack}[sys.argv[2]](session)
    session.close()


if __name__ == "__main__":
    main()
