"""Publishes on /cmd_vel past the gate, standing still, and says how the gate takes it.

Prints `LATCHED {"source": …, "reason": …}` once the gate says who it is (a publisher is seen before its node is),
then `DIAGNOSED {"level": …, "message": …}`, the gate's own diagnosis once it is an error.
"""

import json
import sys

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from rclpy.qos import DurabilityPolicy, QoSProfile
from turtlebot_maze_msgs.msg import EmergencyStopState


def main():
    rclpy.init()
    node = rclpy.create_node("foreign")
    latched = diagnosed = False

    def on_state(message):
        nonlocal latched
        if message.state == EmergencyStopState.LATCHED and "/foreign" in message.reason and not latched:
            latched = True
            print("LATCHED", json.dumps({"source": message.source, "reason": message.reason}), flush=True)

    def on_diagnostics(message):
        nonlocal diagnosed
        for status in message.status:
            if status.name == "estop" and status.level == DiagnosticStatus.ERROR and latched and not diagnosed:
                diagnosed = True
                level = int.from_bytes(status.level, "little")
                print("DIAGNOSED", json.dumps({"level": level, "message": status.message}), flush=True)

    publisher = node.create_publisher(TwistStamped, "/cmd_vel", 10)
    node.create_timer(0.1, lambda: publisher.publish(TwistStamped()))
    transient = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_subscription(EmergencyStopState, "/emergency_stop/state", on_state, transient)
    node.create_subscription(DiagnosticArray, "/diagnostics", on_diagnostics, 10)
    while not (latched and diagnosed):
        rclpy.spin_once(node, timeout_sec=0.1)


if __name__ == "__main__":
    sys.exit(main())
