"""A posed body with somebody's skin, seen by a camera in some light: an RGBA cut-out."""

from __future__ import annotations

import cv2
import numpy as np
import trimesh
from body import Model, X, Z, turn
from numpy.random import Generator
from skin import Skin, continued
from trimesh.ray.ray_pyembree import RayMeshIntersector

OVER = 2  # rays per pixel and axis
MARGIN = 300  # px of the skin's picture, continued on all sides


def figure(model: Model, rgba: np.ndarray, landmarks: np.ndarray, rng: Generator, side: int = 448) -> np.ndarray:
    """Somebody like the one in the cut-out ``rgba (h, w, 4)``, in another pose: ``(h, w, 4)`` uint8, the longer side ``side`` px."""
    body = model.body(rng)
    skin = Skin(model, body, landmarks, rgba)
    clothes = np.clip(1 - skin.on_head - skin.on_hands, 0, 1)
    thickness = clothes * np.clip(rng.uniform(0.004, 0.03) * (1 + 0.8 * waves(body.vertices, rng, 9)), 0, 0.06)
    thickness += skin.hair * np.clip(rng.uniform(0.008, 0.04) * (1 + 0.6 * waves(body.vertices, rng, 30)), 0, 0.06)
    normals = trimesh.Trimesh(body.vertices, model.faces, process=False).vertex_normals
    kind, turns = model.pose(body, rng)
    vertices = model.posed(body, body.vertices + normals * thickness[:, None], turns)
    if kind in ("sit", "squat", "floor") and rng.random() < 0.5:  # leans back or forwards as a whole
        vertices = vertices @ turn((X, rng.normal(0, 8))).T
    heading = rng.normal(0, 50) if rng.random() < 0.8 else rng.uniform(-180, 180)
    vertices = vertices @ turn((Z, heading), (X, rng.normal(8, 12))).T
    return drawn(trimesh.Trimesh(vertices, model.faces, process=False), skin.places, continued(rgba), rng, side)


def drawn(mesh: trimesh.Trimesh, places: np.ndarray, picture: np.ndarray, rng: Generator, side: int) -> np.ndarray:
    """The mesh, its vertices' colours at ``places (V, 2)`` px of ``picture``, in perspective from -y: ``(h, w, 4)`` uint8."""
    centre, distance = mesh.bounds.mean(0), rng.uniform(2, 6)
    seen = (mesh.vertices - centre)[:, [0, 2]] * (distance / (distance + mesh.vertices[:, 1:2] - centre[1]))
    low, high = seen.min(0) - 0.01, seen.max(0) + 0.01
    step = (high - low).max() / (side * OVER)
    width, height = (int(length / step) // OVER for length in high - low)
    x = low[0] + (np.arange(width * OVER) + 0.5) * step
    z = high[1] - (np.arange(height * OVER) + 0.5) * step
    rays = np.stack(np.broadcast_arrays(x[None], distance, z[:, None]), -1).reshape(-1, 3)
    rays = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    scene = RayMeshIntersector(mesh)
    hits, ray, triangle = scene.intersects_location(np.broadcast_to(centre - [0, distance, 0], rays.shape), rays, multiple_hits=False)
    corners = mesh.faces[triangle]
    weights = trimesh.triangles.points_to_barycentric(mesh.triangles[triangle], hits)
    normals = np.einsum("pk,pkc->pc", weights, mesh.vertex_normals[corners])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    colour = sample(picture, np.einsum("pk,pkc->pc", weights, places[corners]))
    canvas = np.zeros((height * OVER * width * OVER, 4), np.float32)
    canvas[ray] = np.column_stack((np.clip(colour * lit(scene, hits, normals, rng)[:, None], 0, 1), np.ones(len(ray))))
    canvas = canvas.reshape(height, OVER, width, OVER, 4).mean((1, 3))
    canvas[..., :3] /= np.maximum(canvas[..., 3:], 1e-3)
    return (canvas.clip(0, 1) * 255).round().astype(np.uint8)


def sample(picture: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Colours ``(P, 3)`` in [0, 1] at ``places (P, 2)`` px; beyond the picture, those of its border."""
    wide = cv2.copyMakeBorder(picture, *(MARGIN,) * 4, cv2.BORDER_REPLICATE)
    parts = np.array_split((places + MARGIN).astype(np.float32), len(places) // 30_000 + 1)  # remap takes rows of less than 32768
    colours = [cv2.remap(wide, part[None, :, 0], part[None, :, 1], cv2.INTER_LINEAR)[0] for part in parts]
    return np.concatenate(colours).astype(np.float32) / 255


def lit(scene: RayMeshIntersector, points: np.ndarray, normals: np.ndarray, rng: Generator) -> np.ndarray:
    """How bright each point is, ``(P,)``: light from all around and from one side, which may throw shadows."""
    light = np.array([rng.normal(0, 0.7), -1 + rng.normal(0, 0.4), rng.uniform(0.2, 1.4)])
    light /= np.linalg.norm(light)
    direct = np.clip(normals @ light, 0, 1)
    if rng.random() < 0.7:
        direct = direct * ~scene.intersects_any(points + 0.01 * normals + 0.01 * light, np.broadcast_to(light, points.shape))
    around = rng.uniform(0.35, 0.8)
    facing = 0.75 + 0.25 * np.clip(-normals[:, 1], 0, 1)
    return (around + (1.15 - around) * direct * rng.uniform(0.8, 1.1)) * facing


def waves(points: np.ndarray, rng: Generator, frequency: float) -> np.ndarray:
    """Smooth noise of about -1 to 1 at ``points (V, 3)``."""
    return sum(np.sin(points @ rng.normal(0, frequency, 3) + rng.uniform(0, 2 * np.pi)) for _ in range(6)) / 6
