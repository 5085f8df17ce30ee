"""Tests of the network's parts; run with `python3 -m unittest discover -s models`."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

try:
    import cv2  # noqa: F401
    import numpy as np
    import onnxruntime
    import torch
except ImportError as missing:
    raise unittest.SkipTest(f"{missing}; pip install -r models/requirements.txt") from missing

import export
import frames
import loss
from postprocess import detections
from yolov8 import BINS, Exported, YoloV8, anchors, decode_distances


class Anchors(unittest.TestCase):
    def test_are_cell_centres_of_three_maps_row_by_row(self):
        centres, strides = anchors(64, 96)
        self.assertEqual(len(centres), 8 * 12 + 4 * 6 + 2 * 3)
        self.assertEqual(centres[0].tolist(), [4, 4])
        self.assertEqual(centres[1].tolist(), [12, 4])
        self.assertEqual(centres[12].tolist(), [4, 12])
        self.assertEqual(centres[-1].tolist(), [80, 48])
        self.assertEqual(strides[-1].item(), 32)


class Distances(unittest.TestCase):
    def test_a_certain_bin_is_its_distance(self):
        sides = torch.zeros(1, 4, BINS, 1)
        for side, distance in enumerate([0, 3, 7, BINS - 1]):
            sides[0, side, distance] = 50
        self.assertEqual(decode_distances(sides.reshape(1, -1, 1)).flatten().round().tolist(), [0, 3, 7, BINS - 1])

    def test_the_loss_is_least_where_the_mean_is_right(self):
        def raw(lower, share):
            sides = torch.full((1, 4, BINS), -50.0)
            sides[..., lower], sides[..., lower + 1] = float(np.log(1 - share)), float(np.log(share))
            return sides

        wanted = torch.full((1, 4), 5.25)
        right = loss.distance_loss(raw(5, 0.25), wanted)
        self.assertLess(right, loss.distance_loss(raw(5, 0.5), wanted))
        self.assertLess(right, loss.distance_loss(raw(7, 0.25), wanted))


class CompleteIou(unittest.TestCase):
    def test_ranks_equal_shifted_and_apart(self):
        box = torch.tensor([10.0, 10, 30, 50])
        same = loss.complete_iou(box, box)
        shifted = loss.complete_iou(box, box + 5)
        apart = loss.complete_iou(box, box + 100)
        self.assertAlmostEqual(same.item(), 1, places=5)
        self.assertLess(shifted, same)
        self.assertLess(apart, 0)


class Assigner(unittest.TestCase):
    def setUp(self):
        self.centres, _ = anchors(128, 128)
        count = len(self.centres)
        self.boxes = torch.cat([self.centres - 16, self.centres + 16], dim=1).unsqueeze(0)
        self.scores = torch.full((1, count, 3), 0.1)

    def assign(self, boxes, classes):
        boxes = torch.tensor([boxes], dtype=torch.float32)
        targets = loss.Targets(boxes, torch.tensor([classes]), torch.ones(1, len(classes), dtype=torch.bool))
        return loss.assign(self.scores, self.boxes, self.centres, targets)

    def test_positives_lie_in_their_object_and_want_its_class_alone(self):
        found = self.assign([[20, 20, 60, 60]], [2])
        at = self.centres[found.positive[0]]
        self.assertTrue(0 < len(at) <= loss.POSITIVES_PER_OBJECT)
        self.assertTrue(((at > 20) & (at < 60)).all())
        self.assertEqual(found.scores[0, :, :2].sum().item(), 0)
        self.assertGreater(found.scores[0, :, 2].max().item(), 0.5)

    def test_an_object_smaller_than_a_cell_has_a_positive(self):
        found = self.assign([[63, 63, 66, 66]], [0])
        self.assertTrue(found.positive.any())

    def test_an_anchor_answers_for_the_object_it_overlaps_most(self):
        found = self.assign([[20, 20, 52, 52], [24, 24, 120, 120]], [0, 1])
        anchor = int((self.centres - torch.tensor([36.0, 36.0])).square().sum(1).argmin())
        self.assertTrue(found.positive[0, anchor])
        self.assertEqual(found.boxes[0, anchor].tolist(), [20, 20, 52, 52])

    def test_padding_is_nobodys_object(self):
        targets = loss.Targets(torch.zeros(1, 2, 4), torch.zeros(1, 2, dtype=torch.long), torch.zeros(1, 2, dtype=bool))
        found = loss.assign(self.scores, self.boxes, self.centres, targets)
        self.assertFalse(found.positive.any())
        self.assertEqual(found.scores.sum().item(), 0)

    def test_a_few_steps_lower_the_loss(self):
        torch.manual_seed(0)
        network = YoloV8(3, (8, 8, 16, 16, 16)).train()
        images = torch.rand(2, 3, 64, 64)
        boxes = torch.tensor([[[8.0, 8, 40, 40]], [[20.0, 10, 60, 50]]])
        targets = loss.Targets(boxes, torch.tensor([[0], [2]]), torch.ones(2, 1, dtype=torch.bool))
        optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
        totals = []
        for _ in range(15):
            total = sum(loss.detection_loss(*network(images), targets, 64, 64).values())
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            totals.append(total.item())
        self.assertLess(totals[-1], 0.7 * totals[0])


class Pictures(unittest.TestCase):
    def test_letterbox_centres_on_grey(self):
        square, scale, (left, top) = frames.letterbox(np.zeros((480, 640, 3), np.uint8), 320)
        self.assertEqual((scale, left, top), (0.5, 0, 40))
        self.assertTrue((square[:40] == frames.GREY).all() and (square[280:] == frames.GREY).all())
        self.assertTrue((square[40:280] == 0).all())

    def test_boxes_move_with_the_picture(self):
        picture = np.zeros((320, 320, 3), np.uint8)
        picture[100:180, 60:200] = 255
        boxes = np.array([[1, 60, 100, 200, 180]], np.float32)
        for seed in range(20):
            view, moved = frames.vary(picture, boxes, 320, 256, np.random.default_rng(seed))
            self.assertEqual(view.shape, (256, 320, 3))
            bright = cv2.GaussianBlur(view[..., 0], (5, 5), 0) > view[..., 0].max() * 0.75
            ys, xs = np.nonzero(bright)
            self.assertEqual(len(moved), 1)
            seen = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            np.testing.assert_allclose(moved[0, 1:], seen, atol=5)


class Export(unittest.TestCase):
    def test_has_the_layout_of_a_yolov8_export_and_the_networks_values(self):
        network = YoloV8(2, (8, 8, 16, 16, 16)).eval()
        image = torch.rand(2, 3, 64, 64)
        wanted = Exported(network, 64, 64)(image).detach().numpy()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            export.export(network, ["ball", "cup"], 64, path)
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.assertEqual([(i.name, i.shape[1:]) for i in session.get_inputs()], [("images", [3, 64, 64])])
        self.assertEqual([(o.name, o.shape[1:]) for o in session.get_outputs()], [("output0", [6, 84])])
        meta = session.get_modelmeta().custom_metadata_map
        self.assertEqual(meta["names"], "{0: 'ball', 1: 'cup'}")
        self.assertEqual((meta["imgsz"], meta["stride"], meta["task"]), ("[64, 64]", "32", "detect"))
        for batch in (1, 2):
            got = session.run(None, {"images": image[:batch].numpy()})[0]
            np.testing.assert_allclose(got, wanted[:batch], atol=1e-2, rtol=1e-3)

    def test_can_be_loaded_and_trained_on_from_where_it_was(self):
        network = YoloV8(2).eval()
        for values in network.parameters():
            # The exporter merges equal arrays, and no two of a trained network are equal.
            values.data += 0.05 * torch.randn_like(values)
        images = torch.rand(4, 3, 64, 64)
        wanted = torch.cat(network(images), dim=1).detach()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            export.export(network, ["ball", "cup"], 64, path)
            loaded, names, size = export.load_exported(path, images)
        self.assertEqual((names, size), (["ball", "cup"], 64))
        torch.testing.assert_close(torch.cat(loaded(images), dim=1), wanted, atol=1e-4, rtol=1e-3)
        # Training normalises by the batch: by those pictures the loaded network was normalised, too.
        torch.testing.assert_close(torch.cat(loaded.train()(images), dim=1), wanted, atol=0.05, rtol=0.05)


class Detections(unittest.TestCase):
    def test_suppresses_repeats_of_a_class_only(self):
        output = np.zeros((6, 4), np.float32)
        output[:4] = np.array([50, 50, 20, 20], np.float32)[:, None]
        output[0, 3] = 150
        output[4, :2], output[5, 2:] = (0.9, 0.8), (0.7, 0.6)
        found = detections(output)
        self.assertEqual([(round(float(b[4]), 1), int(b[5])) for b in found], [(0.9, 0), (0.7, 1), (0.6, 1)])
        np.testing.assert_allclose(found[0, :4], [40, 40, 60, 60])


if __name__ == "__main__":
    unittest.main()
