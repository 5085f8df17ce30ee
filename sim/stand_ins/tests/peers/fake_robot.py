"""A robot in a room, for tests of the stand-ins: an ideal base, odometry, transforms, a lidar.

Simulated time goes on by one control period whenever the node under test has acknowledged the one before, so that no test
depends on how fast the machine is.
"""

import math

import rclpy
from geometry_msgs.msg import Quaternion, TransformStamped, TwistStamped
from nav_msgs.msg import OccupancyGrid, Odometry
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import LaserScan
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
RESOLUTION = 0.05
PERIOD_NS = 50_000_000
# Each character is a square of 0.5 m. The closed room on the right cannot be reached.
ROOM = [
    "####################",
    "#..........#.......#",
    "#..........#.......#",
    "#....##....#.......#",
    "#....##....#.......#",
    "#..........#.......#",
    "#..........#.......#",
    "####################",
]
BLOCK = 10
WIDTH = len(ROOM[0]) * BLOCK
HEIGHT = len(ROOM) * BLOCK


def occupied(x, y):
    """Whether the point (m) lies in a wall or outside."""
    column, row = math.floor(x / 0.5), math.floor(y / 0.5)
    if not (0 <= column < len(ROOM[0]) and 0 <= row < len(ROOM)):
        return True
    return ROOM[len(ROOM) - 1 - row][column] == "#"


def quaternion(yaw):
    return Quaternion(z=math.sin(yaw / 2), w=math.cos(yaw / 2))


def yaw_of(q):
    return math.atan2(2 * (q.w * q.z + q.x * q.y), 1 - 2 * (q.y * q.y + q.z * q.z))


class FakeRobot(Node):
    def __init__(self, peer, map_from_odom=(0.0, 0.0, 0.0), publishes_map=True, drift=1.0):
        super().__init__("fake_robot")
        self.peer = peer
        self.now_ns = 0
        self.pose = [0.0, 0.0, 0.0]  # in odom, as the wheels tell
        self.truth = list(map_from_odom)  # in the map
        self.drift = drift
        self.velocity = (0.0, 0.0)
        self.commands = []
        self.obeys = True
        self.acknowledged = -1
        self.publishes_map = publishes_map
        self.tf = self.create_publisher(TFMessage, "/tf", 100)
        self.tf_static = self.create_publisher(TFMessage, "/tf_static", LATCHED)
        self.odometry = self.create_publisher(Odometry, "/odom", 10)
        self.scan = self.create_publisher(LaserScan, "/scan", 5)
        self.create_subscription(TwistStamped, "/ungated/cmd_vel", self.on_command, 10)
        self.create_subscription(Header, "/sim/ack", self.on_ack, 10)
        scanner = self.transform("base_footprint", "base_scan", (0.0, 0.0, 0.0), 0)
        self.tf_static.publish(TFMessage(transforms=[scanner]))
        if publishes_map:
            self.map = self.create_publisher(OccupancyGrid, "/map", LATCHED)
            self.map.publish(self.grid())

    def grid(self):
        grid = OccupancyGrid()
        grid.header.frame_id = "map"
        grid.info.resolution = RESOLUTION
        grid.info.width, grid.info.height = WIDTH, HEIGHT
        grid.info.origin.orientation.w = 1.0
        grid.data = [
            100 if occupied((column + 0.5) * RESOLUTION, (row + 0.5) * RESOLUTION) else 0
            for row in range(HEIGHT)
            for column in range(WIDTH)
        ]
        return grid

    def on_command(self, command):
        stamp = command.header.stamp
        velocity = (command.twist.linear.x, command.twist.angular.z)
        self.commands.append((stamp.sec * 10**9 + stamp.nanosec, *velocity))
        self.velocity = velocity

    def on_ack(self, ack):
        if ack.frame_id.split("/")[0] == self.peer:
            self.acknowledged = ack.stamp.sec * 10**9 + ack.stamp.nanosec

    def stamp(self, at_ns):
        return rclpy.time.Time(nanoseconds=at_ns).to_msg()

    def transform(self, parent, child, pose, at_ns):
        message = TransformStamped()
        message.header.stamp = self.stamp(at_ns)
        message.header.frame_id, message.child_frame_id = parent, child
        message.transform.translation.x, message.transform.translation.y = pose[0], pose[1]
        message.transform.rotation = quaternion(pose[2])
        return message

    def move(self):
        linear, angular = self.velocity if self.obeys else (0.0, 0.0)
        seconds = PERIOD_NS * 1e-9
        for pose, scale in ((self.truth, 1.0), (self.pose, self.drift)):
            heading = pose[2] + angular * scale * seconds / 2
            pose[0] += linear * scale * seconds * math.cos(heading)
            pose[1] += linear * scale * seconds * math.sin(heading)
            pose[2] += angular * scale * seconds

    def publish(self):
        transforms = [self.transform("odom", "base_footprint", self.pose, self.now_ns)]
        if self.publishes_map:
            # With an ideal base the map and odom differ by where the robot began.
            ahead = self.now_ns + PERIOD_NS
            transforms.append(self.transform("map", "odom", self.map_from_odom(), ahead))
        self.tf.publish(TFMessage(transforms=transforms))
        if self.now_ns % (2 * PERIOD_NS) == 0:
            self.scan.publish(self.scan_message())
        odometry = Odometry()
        odometry.header.stamp = self.stamp(self.now_ns)
        odometry.header.frame_id, odometry.child_frame_id = "odom", "base_footprint"
        odometry.pose.pose.position.x, odometry.pose.pose.position.y = self.pose[0], self.pose[1]
        odometry.pose.pose.orientation = quaternion(self.pose[2])
        self.odometry.publish(odometry)

    def map_from_odom(self):
        turn = self.truth[2] - self.pose[2]
        x = self.truth[0] - math.cos(turn) * self.pose[0] + math.sin(turn) * self.pose[1]
        y = self.truth[1] - math.sin(turn) * self.pose[0] - math.cos(turn) * self.pose[1]
        return (x, y, turn)

    def scan_message(self):
        beams = 120
        scan = LaserScan()
        scan.header.stamp = self.stamp(self.now_ns)
        scan.header.frame_id = "base_scan"
        scan.angle_increment = 2 * math.pi / beams
        scan.range_min, scan.range_max = 0.12, 3.5
        scan.scan_time = 2 * PERIOD_NS * 1e-9
        for beam in range(beams):
            angle = self.truth[2] + beam * scan.angle_increment
            reach, step = 0.0, 0.02
            while reach < scan.range_max and not occupied(
                self.truth[0] + reach * math.cos(angle), self.truth[1] + reach * math.sin(angle)
            ):
                reach += step
            scan.ranges.append(reach - step / 2 if reach < scan.range_max else math.inf)
        return scan

    def run_until(self, done, periods=4000):
        """Lets simulated time pass until `done()`."""
        for _ in range(periods):
            if done():
                return
            self.now_ns += PERIOD_NS
            self.move()
            self.publish()
            waited = 0
            while self.acknowledged < self.now_ns:
                rclpy.spin_once(self, timeout_sec=0.1)
                waited += 1
                if waited % 10 == 0:
                    # Nobody had subscribed yet, or not everything has arrived: the same instant once more.
                    self.publish()
                assert waited < 300, f"{self.peer} does not acknowledge {self.now_ns}"
            rclpy.spin_once(self, timeout_sec=0.0)
        raise AssertionError(f"not done after {periods} control periods")
