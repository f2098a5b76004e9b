"""A parametric body (Anny), its skeleton reduced to what is posed here, and poses: sitting, squatting, standing, leaning.

The body stands at first with its arms 45 degrees out: x to its left, -y forwards, z up, in metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import anny
import cv2
import numpy as np
import torch
from numpy.random import Generator

X, Y, Z = (1, 0, 0), (0, 1, 0), (0, 0, 1)
SIDES = ((1, ".L"), (-1, ".R"))
LIMBS = ("clavicle", "upperarm01", "lowerarm01", "wrist", "upperleg01", "lowerleg01", "foot")

# degrees from, to
BEND = {"sit": (-20, 35), "stand": (-10, 10), "squat": (0, 40), "floor": (-20, 30), "stride": (-5, 15), "lean": (20, 70)}
KINDS = {"sit": 0.5, "stand": 0.2, "squat": 0.08, "floor": 0.08, "stride": 0.06, "lean": 0.08}
LEGS = {  # thigh raised, thigh outwards, knee bent
    "sit": ((60, 110), (-8, 32), (30, 120)),
    "stand": ((-10, 10), (-2, 12), (0, 12)),
    "squat": ((80, 130), (0, 35), (90, 145)),
    "floor": ((70, 110), (0, 15), (0, 60)),
    "cross-legged": ((80, 115), (35, 60), (90, 140)),
    "stride": ((-25, 35), (-2, 10), (0, 60)),
    "lean": ((-10, 10), (-2, 12), (0, 12)),
}
ARMS = {  # upper arm lowered, raised forwards, elbow bent, forearm turned inwards
    "down": ((-8, 42), (-15, 15), (0, 35), (-20, 20)),
    "lap": ((25, 45), (5, 45), (20, 85), (0, 50)),
    "front": ((10, 40), (20, 80), (10, 120), (-20, 50)),
    "akimbo": ((-5, 15), (-25, 5), (60, 100), (50, 90)),
    "up": ((-90, 0), (-10, 40), (0, 120), (-50, 50)),
    "folded": ((30, 45), (5, 35), (80, 115), (50, 85)),
}
STANDING_ARMS, SITTING_ARMS = (0.3, 0.3, 0.15, 0.1, 0.07, 0.08), (0.15, 0.45, 0.2, 0.02, 0.05, 0.13)


@dataclass
class Body:
    """Somebody's ``vertices (V, 3)`` and ``bones {name: joint (3,)}``, before posing."""

    vertices: np.ndarray
    bones: dict[str, np.ndarray]


class Model:
    """Draws bodies and poses them.

    Attributes:
        faces: ``(F, 3)`` vertex numbers.
        joints: names of the bones that are posed; each moves those that hang on it.
        weights: ``(V, J)``, how much each joint moves each vertex.
    """

    def __init__(self) -> None:
        self.model = anny.Anny().to(dtype=torch.float32)
        self.model.set_skinning_method("lbs")  # which keeps the weights as one matrix, whether Warp is installed or not
        labels = self.model.bone_labels
        self.fingers = [bone for bone in labels if bone.startswith("finger")]
        limbs = [limb + side for _, side in SIDES for limb in LIMBS]
        self.joints = ["root", "spine04", "spine02", "neck01", "head", *limbs, *self.fingers]
        self.faces = np.asarray(self.model.faces)

        def joint(bone: int) -> int:
            while labels[bone] not in self.joints:
                bone = self.model.bone_parents[bone]
            return self.joints.index(labels[bone])

        weights = self.model.dense_vertex_bone_weights.numpy()
        self.weights = np.zeros((len(weights), len(self.joints)), np.float32)
        for bone in range(len(labels)):
            self.weights[:, joint(bone)] += weights[:, bone]
        self.parents = [-1] + [joint(self.model.bone_parents[labels.index(name)]) for name in self.joints[1:]]

    def body(self, rng: Generator) -> Body:
        """Of any sex, age from child to old, and build."""
        shape = {
            "gender": rng.uniform(),
            "age": rng.uniform(0.5, 0.95) if rng.random() < 0.9 else rng.uniform(0.3, 0.5),
            "muscle": rng.uniform(0.3, 0.7),
            "weight": rng.uniform(0.3, 0.8),
            "height": 0.5,
            "proportions": rng.uniform(0.4, 0.8),
        }
        still = torch.eye(4).expand(1, self.model.bone_count, 4, 4)
        with torch.inference_mode():
            made = self.model(pose_parameters=still, phenotype_kwargs={k: torch.tensor(float(v)) for k, v in shape.items()})
        joints = made["bone_poses"][0, :, :3, 3].numpy().astype(float)
        return Body(made["vertices"][0].numpy().astype(float), dict(zip(self.model.bone_labels, joints, strict=True)))

    def pose(self, body: Body, rng: Generator) -> tuple[str, dict[str, np.ndarray]]:
        """A kind of pose, and each joint's rotation ``(3, 3)``."""
        kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
        turns = {joint: np.eye(3) for joint in self.joints}
        bend = rng.uniform(*BEND[kind])
        turns["spine04"] = turn((X, 0.6 * bend), (Y, rng.normal(0, 6)), (Z, rng.normal(0, 8)))
        turns["spine02"] = turn((X, 0.4 * bend + rng.normal(0, 5)), (Y, rng.normal(0, 5)), (Z, rng.normal(0, 8)))
        for joint in ("neck01", "head"):
            turns[joint] = turn((X, rng.normal(-0.25 * bend, 8)), (Z, rng.normal(0, 17)), (Y, rng.normal(0, 6)))
        legs = LEGS["cross-legged" if kind == "floor" and rng.random() < 0.5 else kind]
        alike = [rng.uniform(*limits) for limits in legs] if rng.random() < 0.6 else None
        for sign, side in SIDES:
            own = [rng.uniform(*limits) for limits in legs] if alike is None else [v + rng.normal(0, 5) for v in alike]
            raised, out, knee = own
            turns["upperleg01" + side] = turn((X, -raised), (Z, sign * out) if raised > 45 else (Y, -sign * out))
            turns["lowerleg01" + side] = turn((X, max(knee, 0)))
            turns["foot" + side] = turn((X, rng.normal(-5, 12)), (Z, sign * rng.normal(5, 8)))
            arm = str(rng.choice(list(ARMS), p=SITTING_ARMS if kind == "sit" else STANDING_ARMS))
            lowered, forwards, elbow, inwards = (rng.uniform(*limits) for limits in ARMS[arm])
            turns["clavicle" + side] = turn((Y, sign * rng.normal(0, 4)))
            turns["upperarm01" + side] = turn((Y, sign * lowered), (X, -forwards), (Z, -sign * rng.normal(0, 10)))
            along = body.bones["lowerarm01" + side] - body.bones["upperarm01" + side]
            turns["lowerarm01" + side] = turn((X, -elbow), (along, sign * inwards))
            turns["wrist" + side] = turn((X, rng.normal(0, 15)), (Y, rng.normal(0, 12)))
            knuckles = body.bones["finger5-1" + side] - body.bones["finger2-1" + side]
            curl = sign * rng.uniform(5, 75)
            for finger in self.fingers:
                if finger.endswith(side):
                    turns[finger] = turn((knuckles, curl * rng.uniform(0.7, 1.2) * (0.4 if finger.startswith("finger1") else 1)))
        return kind, turns

    def posed(self, body: Body, vertices: np.ndarray, turns: dict[str, np.ndarray]) -> np.ndarray:
        """``vertices (V, 3)`` on the body, moved by linear blend skinning."""
        moves: list[np.ndarray] = []
        for name, parent in zip(self.joints, self.parents, strict=True):
            move = np.eye(4)
            move[:3, :3] = turns[name]
            move[:3, 3] = body.bones[name] - turns[name] @ body.bones[name]
            moves.append(move if parent < 0 else moves[parent] @ move)
        blended = np.einsum("vj,jab->vab", self.weights, np.stack(moves))
        return np.einsum("vab,vb->va", blended[:, :3, :3], vertices) + blended[:, :3, 3]


def turn(*steps: tuple[tuple | np.ndarray, float]) -> np.ndarray:
    """The rotation that turns by (axis, degrees), one after another."""
    whole = np.eye(3)
    for axis, degrees in steps:
        unit = np.asarray(axis, float) / np.linalg.norm(axis)
        whole = cv2.Rodrigues(unit * np.deg2rad(degrees))[0] @ whole
    return whole
