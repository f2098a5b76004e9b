"""What light, lens, sensor and file format do to a picture. Pictures are float32 ``(H, W, 3)`` in [0, 1], red first."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator


def recolour(image: np.ndarray, rng: Generator, strength: float = 1.0) -> np.ndarray:
    """Other exposure, contrast, saturation and balance of colours: one object, or all of a picture."""
    gain = np.exp(rng.normal(0, 0.12 * strength, 3) + rng.normal(0, 0.15 * strength))
    image = np.clip(image * gain.astype(np.float32), 0, 1) ** np.float32(np.exp(rng.normal(0, 0.2 * strength)))
    grey = image.mean(2, keepdims=True)
    return np.clip(grey + (image - grey) * np.float32(np.exp(rng.normal(0, 0.25 * strength))), 0, 1)


def darken(image: np.ndarray, rng: Generator) -> np.ndarray:
    """A dim room: little light, brighter round one or two lamps or a flash, blacks crushed or lifted."""
    height, width = image.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / max(height, width)
    light = np.full((height, width), rng.uniform(0.12, 0.6), np.float32)
    for _ in range(rng.integers(0, 3)):
        centre, radius = rng.uniform(0, 1, 2), rng.uniform(0.15, 0.6)
        light += rng.uniform(0.2, 0.8) * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * radius**2)).astype(np.float32)
    image = image ** np.float32(rng.uniform(1.0, 1.6)) * light[..., None]
    return np.clip(image + np.float32(rng.uniform(-0.03, 0.05)), 0, 1)


def dim_below(image: np.ndarray, rng: Generator) -> np.ndarray:
    """Light from above, or a flash that does not reach the floor: darker towards the bottom."""
    ramp = np.clip((np.linspace(0, 1, len(image)) - rng.uniform(0.1, 0.6)) / rng.uniform(0.2, 0.6), 0, 1)
    return image * (1 - rng.uniform(0.4, 0.9) * ramp[:, None, None]).astype(np.float32)


def cast(image: np.ndarray, rng: Generator) -> np.ndarray:
    """Coloured light: tungsten more often than anything else."""
    warm = np.array([1.15, 0.9, 0.55]) if rng.random() < 0.6 else rng.uniform(0.55, 1.2, 3)
    return np.clip(image * (1 + rng.uniform(0.3, 1.1) * (warm - 1)).astype(np.float32), 0, 1)


def blur(image: np.ndarray, rng: Generator) -> np.ndarray:
    """Out of focus, or moved: a picture, or any number of channels, all alike."""
    if rng.random() < 0.7:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.8))
    length = int(rng.integers(3, 8))
    kernel: np.ndarray = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    turn = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), rng.uniform(0, 180), 1)
    kernel = cv2.warpAffine(kernel, turn, (length, length))
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def grain(image: np.ndarray, rng: Generator) -> np.ndarray:
    """Sensor noise, stronger where it is dark, sometimes in blotches."""
    height, width = image.shape[:2]
    coarse = int(rng.integers(1, 3))
    noise: np.ndarray = rng.standard_normal((-(-height // coarse), -(-width // coarse), 3), np.float32)
    if coarse > 1:
        noise = cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(image + np.float32(rng.uniform(0.005, 0.06)) * (1.3 - image) * noise, 0, 1)


def jpeg(image: np.ndarray, rng: Generator) -> np.ndarray:
    """Through JPEG and back."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))]
    _, data = cv2.imencode(".jpg", (image[..., ::-1] * 255).round().astype(np.uint8), quality)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None  # we encoded it ourselves
    return decoded[..., ::-1].astype(np.float32) / 255


def photograph(image: np.ndarray, alphas: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """A random chain of the above, as a phone in any light would make it; of what blurs the picture, alphas ``(K, H, W)`` blur, too."""
    chain = ((recolour, 0.6), (darken, 0.3), (cast, 0.3), (blur, 0.2), (grain, 0.4), (jpeg, 0.5))
    for effect, probability in chain:
        if rng.random() < probability:
            if effect is blur:
                both = blur(np.dstack((image, *alphas)), rng)
                image, alphas = both[..., :3], both[..., 3:].transpose(2, 0, 1)
            else:
                image = effect(np.ascontiguousarray(image), rng)
    if rng.random() < 0.05:
        image = np.repeat(image.mean(2, keepdims=True), 3, 2)
    return np.ascontiguousarray(image, dtype=np.float32), np.ascontiguousarray(alphas)
