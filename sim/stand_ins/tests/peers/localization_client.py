"""An independent peer of the localization stand-in: drives a robot with drifting wheels about, and compares."""

import math

import rclpy
from fake_robot import LATCHED, FakeRobot, occupied, yaw_of
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import OccupancyGrid

START = (1.0, 1.0, 0.3)

rclpy.init()
robot = FakeRobot("localization", map_from_odom=START, publishes_map=False, drift=1.03)
poses, grids = [], []
robot.create_subscription(OccupancyGrid, "/map", grids.append, LATCHED)
robot.create_subscription(PoseWithCovarianceStamped, "/amcl_pose", poses.append, LATCHED)
initial = robot.create_publisher(PoseWithCovarianceStamped, "/initialpose", 1)


def error():
    estimate = poses[-1].pose.pose
    distance = math.hypot(estimate.position.x - robot.truth[0], estimate.position.y - robot.truth[1])
    turn = yaw_of(estimate.orientation) - robot.truth[2]
    return distance, abs(math.atan2(math.sin(turn), math.cos(turn)))


# Round the block in the middle of the room, 20 m.
robot.run_until(lambda: bool(poses))
worst = (0.0, 0.0)
for corner in [(4.5, 1.0), (4.5, 3.0), (1.0, 3.0), (1.0, 1.0)] * 2:
    while math.hypot(corner[0] - robot.truth[0], corner[1] - robot.truth[1]) > 0.1:
        bearing = math.atan2(corner[1] - robot.truth[1], corner[0] - robot.truth[0]) - robot.truth[2]
        bearing = math.atan2(math.sin(bearing), math.cos(bearing))
        robot.velocity = (0.25 if abs(bearing) < 0.2 else 0.0, max(-1.0, min(1.0, 3 * bearing)))
        end = robot.now_ns + 100_000_000
        robot.run_until(lambda: robot.now_ns >= end)
        now = error()
        worst = (max(worst[0], now[0]), max(worst[1], now[1]))
# 0.05 m of it is the way driven since the scan that the pose belongs to.
assert worst[0] < 0.12 and worst[1] < 0.2, worst
print("ok: keeps its place, worst error %.3f m, %.3f rad" % worst, flush=True)

grid = grids[-1]
cells = grid.info.width * grid.info.height
assert len(grid.data) == cells == 200 * 80
wrong = sum(
    (value > 50) != occupied((at % 200 + 0.5) * 0.05, (at // 200 + 0.5) * 0.05)
    for at, value in enumerate(grid.data)
)
assert wrong == 0, wrong
print("ok: serves the map", flush=True)

robot.velocity = (0.0, 0.0)
rough = PoseWithCovarianceStamped()
rough.header.frame_id = "map"
rough.pose.pose.position.x, rough.pose.pose.position.y = robot.truth[0] + 0.3, robot.truth[1] - 0.2
rough.pose.pose.orientation.z = math.sin((robot.truth[2] + 0.2) / 2)
rough.pose.pose.orientation.w = math.cos((robot.truth[2] + 0.2) / 2)
initial.publish(rough)
end = robot.now_ns + 1_000_000_000
robot.run_until(lambda: robot.now_ns >= end)
assert error()[0] < 0.08 and error()[1] < 0.05, error()
covariance = poses[-1].pose.covariance
assert 0.0 < covariance[0] < 0.05 and 0.0 < covariance[35] < 0.05, covariance
print("ok: finds itself from a rough initial pose", flush=True)
