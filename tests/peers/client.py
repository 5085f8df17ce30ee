"""An ordinary rclpy client of the robot: standard topics with standard QoS, and a goal on /navigate_to_pose.

Prints `TOPICS {json}` (seconds of simulated time at which each was first seen), then `GOAL {json}`, then `CANCEL {json}`.
"""

import json
import sys
import time

import rclpy
from action_msgs.msg import GoalStatus
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped
from nav2_msgs.action import NavigateToPose
from nav2_msgs.msg import BehaviorTreeLog
from nav_msgs.msg import OccupancyGrid, Odometry
from rclpy.action import ActionClient
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, Imu, LaserScan
from tf2_msgs.msg import TFMessage

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
TOPICS = {
    "/clock": (Clock, qos_profile_sensor_data),
    "/odom": (Odometry, 10),
    "/tf": (TFMessage, 100),
    "/tf_static": (TFMessage, LATCHED),
    "/scan": (LaserScan, qos_profile_sensor_data),
    "/imu": (Imu, qos_profile_sensor_data),
    "/camera/color/image_raw": (Image, qos_profile_sensor_data),
    "/camera/color/camera_info": (CameraInfo, 10),
    "/camera/depth/image_rect_raw": (Image, qos_profile_sensor_data),
    "/map": (OccupancyGrid, LATCHED),
    "/amcl_pose": (PoseWithCovarianceStamped, LATCHED),
    "/diagnostics": (DiagnosticArray, 10),
    "/autonomy/behavior_tree_log": (BehaviorTreeLog, 10),
}


class Client:
    def __init__(self):
        self.node = rclpy.create_node("an_ordinary_client")
        self.latest = {}
        for topic, (kind, qos) in TOPICS.items():
            self.node.create_subscription(kind, topic, lambda m, t=topic: self.latest.__setitem__(t, m), qos)
        self.action = ActionClient(self.node, NavigateToPose, "/navigate_to_pose")

    def spin_until(self, done, seconds=120):
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                raise TimeoutError(f"not within {seconds} s")
            rclpy.spin_once(self.node, timeout_sec=0.1)

    def send(self, x, y, feedback):
        goal = NavigateToPose.Goal()
        goal.pose = PoseStamped()
        goal.pose.header.frame_id = "map"
        goal.pose.pose.position.x = x
        goal.pose.pose.position.y = y
        goal.pose.pose.orientation.w = 1.0
        future = self.action.send_goal_async(goal, feedback_callback=lambda m: feedback.append(m.feedback))
        self.spin_until(future.done)
        return future.result()


def main():
    rclpy.init()
    client = Client()
    client.spin_until(lambda: len(client.latest) == len(TOPICS))
    image = client.latest["/camera/color/image_raw"]
    depth = client.latest["/camera/depth/image_rect_raw"]
    scan = client.latest["/scan"]
    print(
        "TOPICS",
        json.dumps(
            {
                "seen": sorted(client.latest),
                "image": [image.width, image.height, image.encoding, len(image.data)],
                "depth": [depth.width, depth.height, depth.encoding, len(depth.data)],
                "beams": len(scan.ranges),
                "frames": [client.latest["/odom"].header.frame_id, client.latest["/odom"].child_frame_id],
            }
        ),
        flush=True,
    )

    client.action.wait_for_server()
    here = client.latest["/amcl_pose"].pose.pose.position
    feedback = []
    handle = client.send(here.x, here.y, feedback)
    result = handle.get_result_async()
    client.spin_until(result.done)
    print(
        "GOAL",
        json.dumps(
            {
                "accepted": handle.accepted,
                "status": result.result().status,
                "feedback": len(feedback),
                "error_code": result.result().result.error_code,
            }
        ),
        flush=True,
    )

    far_x, far_y = float(sys.argv[1]), float(sys.argv[2])
    feedback = []
    handle = client.send(far_x, far_y, feedback)
    result = handle.get_result_async()
    client.spin_until(lambda: len(feedback) > 2 or result.done())
    answer = handle.cancel_goal_async()
    client.spin_until(answer.done)
    client.spin_until(result.done)
    print(
        "CANCEL",
        json.dumps(
            {
                "canceling": len(answer.result().goals_canceling),
                "canceled": result.result().status == GoalStatus.STATUS_CANCELED,
                "feedback": len(feedback),
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
