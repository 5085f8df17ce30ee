"""The vision-language model in the loop: asked with a fresh frame, able to forbid, never in a cancel's way."""

import json
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sensor_msgs.msg import Image

from bench import ABORTED, CANCELED, SUCCEEDED, equal, main, pose, tell, until

VERDICT = {"feasible": True, "confidence": 0.9, "reason": "The floor is free."}


class Model(BaseHTTPRequestHandler):
    """vLLM's chat completions, with an answer that the test sets."""

    answer = dict(VERDICT)
    may_answer = threading.Event()
    requests = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Model.requests.append((self.path, body))
        tell()
        Model.may_answer.wait(30)
        message = {"role": "assistant", "content": "\n\n" + json.dumps(Model.answer), "reasoning": None}
        reply = json.dumps({"object": "chat.completion", "choices": [
            {"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)
        except BrokenPipeError:
            pass  # the gatekeeper has given up

    def log_message(self, *_):
        pass


class Camera:
    def __init__(self, node):
        self.node = node
        self.publisher = node.create_publisher(Image, "/camera/color/image_raw", 1)
        self.timer = node.create_timer(1 / 15, self.publish)

    def publish(self):
        image = Image(width=64, height=48, step=192, encoding="rgb8", data=bytes(64 * 48 * 3))
        image.header.stamp = self.node.get_clock().now().to_msg()
        self.publisher.publish(image)


def without_the_flag_nobody_takes_frames(bench):
    bench.camera = Camera(bench.world_node)
    plain = bench.gatekeeper()
    equal(bench.camera.publisher.get_subscription_count(), 0, "subscriptions of the camera")
    plain.ends(signal.SIGTERM)


def model_agrees(bench):
    bench.server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=bench.server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{bench.server.server_address[1]}"
    Model.may_answer.set()
    bench.gatekeeper("--vlm-url", url, "--vlm-model", "nvidia/Cosmos-Reason2-2B", "--vlm-timeout", "2")
    until(lambda: bench.camera.publisher.get_subscription_count() == 1, "the gatekeeper's camera")
    goal = bench.client.goal(pose(3.0, 1.5))
    bench.navigator.order(bench.running(goal), SUCCEEDED)
    goal.ends_with(SUCCEEDED)
    verdict = bench.client.verdict(goal.id)
    equal((verdict.evaluator, verdict.reason), ("physical", VERDICT["reason"]), "verdict")
    path, body = Model.requests[-1]
    equal(path, "/v1/chat/completions", "path")
    picture, text = body["messages"][1]["content"]
    assert picture["image_url"]["url"].startswith("data:image/jpeg;base64,/9j/"), "a JPEG first"
    assert "2.0 m ahead of it and 0.5 m to its left" in text["text"], text["text"]


def model_forbids(bench):
    Model.answer.update(feasible=False, reason="A staircase.")
    upstream = len(bench.navigator.goals)
    assert "A staircase." in bench.client.goal().ends_with(ABORTED, 9240)
    Model.answer.update(VERDICT, confidence=0.2)
    goal = bench.client.goal()
    goal.ends_with(ABORTED, 9241)
    equal(bench.client.verdict(goal.id).verdict, 2, "UNSURE")
    Model.answer.update(VERDICT)
    equal(len(bench.navigator.goals), upstream, "goals upstream")


def model_is_not_asked_where_the_map_forbids(bench):
    asked = len(Model.requests)
    bench.client.goal(pose(2.5, 2.5)).ends_with(ABORTED, 9224)
    equal(len(Model.requests), asked, "requests")


def cancel_does_not_wait_for_the_model(bench):
    asked = len(Model.requests)
    Model.may_answer.clear()
    goal = bench.client.goal().accepted()
    until(lambda: len(Model.requests) > asked, "the request to the model")
    equal(bench.client.cancel(goal.id), (0, [goal.id]), "answer to the cancel")
    goal.ends_with(CANCELED)
    Model.may_answer.set()


def silent_model_refuses(bench):
    Model.may_answer.clear()
    goal = bench.client.goal()
    assert "within 2.0 s" in goal.ends_with(ABORTED, 9242)
    Model.may_answer.set()


def goal_while_the_model_thinks_replaces_the_one_before(bench):
    asked = len(Model.requests)
    Model.may_answer.clear()
    first = bench.client.goal().accepted()
    until(lambda: len(Model.requests) > asked, "the request to the model")
    second = bench.client.goal(pose(1.0, 3.0))
    first.ends_with(ABORTED, 0)
    Model.may_answer.set()
    bench.navigator.order(bench.running(second), SUCCEEDED)
    second.ends_with(SUCCEEDED)


def stale_frame_refuses(bench):
    bench.camera.timer.cancel()
    def refused():
        code = bench.client.verdict(bench.client.goal().id).error_code
        bench.client.cancel()  # the ones that still passed
        return code == 9248
    until(refused, "a refusal for want of a fresh frame")
    bench.camera.timer.reset()


def dead_model_refuses(bench):
    bench.server.shutdown()
    bench.server.server_close()
    assert "efused" in bench.client.goal().ends_with(ABORTED, 9242)


main([
    without_the_flag_nobody_takes_frames,
    model_agrees,
    model_forbids,
    model_is_not_asked_where_the_map_forbids,
    cancel_does_not_wait_for_the_model,
    silent_model_refuses,
    goal_while_the_model_thinks_replaces_the_one_before,
    stale_frame_refuses,
    dead_model_refuses,
], flags=None)
