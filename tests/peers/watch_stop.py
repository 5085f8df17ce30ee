"""Watches how the robot stops: the commands on /cmd_vel and the base's true speed.

Prints `DRIVING` once the robot is driven, `HELD source` when the gate holds it for want of a client, `STILL seconds` when the
base stands after that, `LATCHED source` when the gate is latched, and at the end, when nobody publishes commands any more,
`STOPPED {"last": [v, w], "speed": …, "commands": …, "still_within_s": …}`.
"""

import json
import sys
import time

import rclpy
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.qos import DurabilityPolicy, QoSProfile
from turtlebot_maze_msgs.msg import EmergencyStopState

STILL = 0.01


def main():
    rclpy.init()
    node = rclpy.create_node("watch_stop")
    last = [0.0, 0.0]
    moved_at = time.monotonic()
    speed = 0.0
    commands = 0
    driving = False
    held_at = None

    def on_command(message):
        nonlocal commands, driving
        commands += 1
        last[:] = [message.twist.linear.x, message.twist.angular.z]
        if not driving and abs(last[0]) > 0.05:
            driving = True
            print("DRIVING", flush=True)

    def on_truth(message):
        nonlocal moved_at, speed, held_at
        speed = max(abs(message.twist.twist.linear.x), abs(message.twist.twist.angular.z))
        if speed > STILL:
            moved_at = time.monotonic()
        elif held_at is not None:
            print("STILL", time.monotonic() - held_at, flush=True)
            held_at = None

    def on_state(message):
        nonlocal held_at
        if message.state == EmergencyStopState.HOLDING and message.source.startswith("client"):
            held_at = time.monotonic()
            print("HELD", message.source, flush=True)
        elif message.state == EmergencyStopState.LATCHED:
            print("LATCHED", message.source, flush=True)

    node.create_subscription(TwistStamped, "/cmd_vel", on_command, 100)
    node.create_subscription(Odometry, "/sim/ground_truth", on_truth, 100)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_subscription(EmergencyStopState, "/emergency_stop/state", on_state, latched)
    seen_publisher = False
    while True:
        rclpy.spin_once(node, timeout_sec=0.05)
        publishers = node.count_publishers("/cmd_vel")
        seen_publisher |= publishers > 0
        if seen_publisher and publishers == 0:
            break
    gone = time.monotonic()
    while time.monotonic() < gone + 0.3:
        rclpy.spin_once(node, timeout_sec=0.05)
    result = {
        "last": last,
        "speed": speed,
        "commands": commands,
        # Negative: it stood before the last publisher was gone.
        "still_within_s": moved_at - gone,
    }
    print("STOPPED", json.dumps(result), flush=True)


if __name__ == "__main__":
    sys.exit(main())
