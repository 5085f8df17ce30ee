"""Asks the live graph who is connected to what; prints `GRAPH {json}`."""

import json
import sys
import time

import rclpy
from rclpy.node import NodeNameNonExistentError

MOVES_THE_ROBOT = ["/ungated/cmd_vel", "/cmd_vel_nav", "/goal_pose", "/ungated/goal_pose", "/initialpose"]
WANTED = {"gatekeeper", "navigation", "autonomy", "report", "sim"}


def full(namespace, name):
    return namespace.rstrip("/") + "/" + name


def main():
    rclpy.init()
    node = rclpy.create_node("who_is_there")
    end = time.monotonic() + 60
    names = []
    while time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.2)
        names = node.get_node_names_and_namespaces()
        found = {name for name, _ in names}
        if all(any(wanted in name for name in found) for wanted in WANTED):
            break
    # Discovery of a node's endpoints follows its name.
    settle = time.monotonic() + 3
    while time.monotonic() < settle:
        rclpy.spin_once(node, timeout_sec=0.2)

    def publishers(topic):
        return sorted(full(i.node_namespace, i.node_name) for i in node.get_publishers_info_by_topic(topic))

    def subscribers(topic):
        return sorted(full(i.node_namespace, i.node_name) for i in node.get_subscriptions_info_by_topic(topic))

    clients = {}
    for name, namespace in names:
        try:
            services = node.get_client_names_and_types_by_node(name, namespace)
        except NodeNameNonExistentError:  # it has gone in between, or is none of ROS (the bridge's participant)
            continue
        for service, _ in services:
            clients.setdefault(service, []).append(full(namespace, name))
    result = {
        "nodes": sorted(full(namespace, name) for name, namespace in names),
        "cmd_vel_publishers": publishers("/cmd_vel"),
        "moving_publishers": {topic: publishers(topic) for topic in MOVES_THE_ROBOT},
        "ground_truth_subscribers": subscribers("/sim/ground_truth"),
        "ungated_goal_clients": sorted(clients.get("/ungated/navigate_to_pose/_action/send_goal", [])),
        "goal_clients": sorted(clients.get("/navigate_to_pose/_action/send_goal", [])),
    }
    print("GRAPH", json.dumps(result), flush=True)


if __name__ == "__main__":
    sys.exit(main())
