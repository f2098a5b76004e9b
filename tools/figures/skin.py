"""A standing person's picture as a skin for the body: where in the picture each of the body's vertices is seen.

The body is laid over the picture limb by limb, by the person's landmarks; the picture is used for the back, too, but hair covers the
back of the head and the crown.
"""

from __future__ import annotations

import cv2
import numpy as np
from body import SIDES, Body, Model

ARM, LEG = ("upperarm01", "lowerarm01", "wrist", "finger"), ("upperleg01", "lowerleg01", "foot")  # upper part, the lower one's joints
EYES, SHOULDERS, HIPS = (2, 5), (11, 12), (23, 24)  # BlazePose's landmarks, left and right
ARM_MARKS, LEG_MARKS = (11, 13, 15), (23, 25, 27)  # of the left; the right one's follow each
HAIR_UP, HAIR_DOWN = 0.055, 0.16  # m above the eyes where the hair starts in front, below them where it ends behind


class Skin:
    """How parts of the body lie on the picture.

    Args:
        model: the body's.
        body: before posing.
        landmarks: ``(33, 2)`` px.
        rgba: the cut-out, ``(h, w, 4)`` uint8.
    """

    def __init__(self, model: Model, body: Body, landmarks: np.ndarray, rgba: np.ndarray):
        joints = {name: joint[[0, 2]] * [1, -1] for name, joint in body.bones.items()}  # as seen from the front, y down
        flat = _with_one(body.vertices[:, [0, 2]] * [1, -1])
        self.on_head = self._share(model, ("neck01", "head"))
        self.on_hands = self._share(model, ("wrist", "finger"))
        corners = np.array([joints[bone + side] for bone in ("upperarm01", "upperleg01") for _, side in SIDES])
        marks = landmarks[[*SHOULDERS, *HIPS]]
        size = np.linalg.norm(marks[:2].mean(0) - marks[2:].mean(0)) / np.linalg.norm(corners[:2].mean(0) - corners[2:].mean(0))
        trunk = np.linalg.lstsq(_with_one(corners), marks, rcond=None)[0]

        eyes, eye_marks = (joints["eye.L"] + joints["eye.R"]) / 2, landmarks[list(EYES)].mean(0)
        neck, neck_marks = corners[:2].mean(0), marks[:2].mean(0)
        head = _limb(neck, eyes, neck_marks, eye_marks, float(np.linalg.norm(eye_marks - neck_marks) / np.linalg.norm(eyes - neck)))
        places = flat @ trunk + self.on_head[:, None] * (flat @ (head - trunk))
        for number, (_, side) in enumerate(SIDES):
            for bones, points in ((ARM, ARM_MARKS), (LEG, LEG_MARKS)):
                for i, moved in enumerate((bones[:1], bones[1:])):
                    start, end = (joints[bone + side] for bone in bones[i : i + 2])
                    limb = _limb(start, end, *(landmarks[point + number] for point in points[i : i + 2]), size)
                    places += self._share(model, moved, side)[:, None] * (flat @ (limb - trunk))

        level = body.bones["eye.L"][2]
        height = body.vertices[:, 2] - level
        crown = np.clip((height - HAIR_UP) / 0.03, 0, 1)
        rear = np.clip((body.vertices[:, 1] - body.bones["head"][1]) / 0.03, 0, 1) * np.clip((height + HAIR_DOWN) / 0.04, 0, 1)
        self.hair = self.on_head * np.maximum(crown, rear)
        scale = np.linalg.norm(head[:2], axis=1).mean()
        column = rgba[:, int(np.clip(round(eye_marks[0]), 0, rgba.shape[1] - 1)), 3] > 200
        top = min(int(column.argmax()), eye_marks[1] - 0.06 * scale)
        hair = np.column_stack((eye_marks[0] + 0.6 * scale * body.vertices[:, 0], top + 0.3 * (eye_marks[1] - top) - 0.2 * scale * height))
        self.places = places + self.hair[:, None] * (hair - places)  # (V, 2) px

    def _share(self, model: Model, names: tuple[str, ...], side: str = "") -> np.ndarray:
        """``(V,)``, how much the joints whose names start so move each vertex."""
        chosen = [i for i, joint in enumerate(model.joints) if joint.startswith(names) and joint.endswith(side)]
        return model.weights[:, chosen].sum(1)


def _with_one(points: np.ndarray) -> np.ndarray:
    return np.column_stack((points, np.ones(len(points))))


def _limb(start: np.ndarray, end: np.ndarray, to_start: np.ndarray, to_end: np.ndarray, wide: float) -> np.ndarray:
    """The affine map ``(3, 2)`` that brings a limb's ends to their places, ``wide`` times as wide."""
    along, to = end - start, to_end - to_start
    length, to_length = np.linalg.norm(along), np.linalg.norm(to)
    along, to = along / length, to / to_length
    linear = np.outer(along, to) * (to_length / length) + np.outer([-along[1], along[0]], [-to[1], to[0]]) * wide
    return np.vstack((linear, to_start - start @ linear))


def continued(rgba: np.ndarray) -> np.ndarray:
    """The cut-out's colour ``(h, w, 3)``, outside the person that of the nearest pixel of them."""
    outside = (rgba[..., 3] < 250).astype(np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(outside, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    colours = np.zeros((int(nearest.max()) + 1, 3), np.uint8)
    inside = outside == 0
    colours[nearest[inside]] = rgba[inside][:, :3]
    return colours[nearest]
