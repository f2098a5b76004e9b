"""People in Supervisely's annotation format, one JSON file per picture; objects are polygons or bitmaps.

Format: https://docs.supervisely.com/customization-and-integration/00_ann_format_navi
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import DataError

DOUBTFUL = ("multipart-person", "not-marked-people")  # tags of pictures in which objects and people do not correspond


@dataclass(frozen=True)
class Annotation:
    """One picture's annotation, shapes not drawn yet.

    Attributes:
        size: height, width in px.
        people: the objects whose class begins with "person"; others, such as "neutral", are no people.
        doubts: tags by which the annotators say that it is not one object per person.
    """

    path: Path
    size: tuple[int, int]
    people: tuple[dict[str, Any], ...]
    doubts: tuple[str, ...]


def read_annotation(path: Path) -> Annotation:
    """Parse one file; bitmaps are not decoded.

    Raises:
        DataError: not such a file, or a person who is neither a polygon nor a bitmap.
    """
    try:
        record = json.loads(path.read_text("utf-8"))
        size = int(record["size"]["height"]), int(record["size"]["width"])
        people = tuple(o for o in record["objects"] if str(o["classTitle"]).lower().startswith("person"))
        tags = [tag["name"] if isinstance(tag, dict) else tag for tag in record.get("tags") or ()]
        shapeless = sum(not (o.get("bitmap") or len(o["points"]["exterior"]) >= 3) for o in people)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not a Supervisely annotation ({type(error).__name__}: {error})") from error
    if shapeless:
        raise DataError(f"{path}: {shapeless} of {len(people)} people are neither polygons nor bitmaps")
    return Annotation(path, size, people, tuple(tag for tag in tags if tag in DOUBTFUL))


def draw_people(annotation: Annotation) -> Tensor:
    """Binary mattes ``(K, H, W)`` float32, in the order of the file.

    Raises:
        DataError: a bitmap is damaged or reaches beyond the picture.
    """
    masks = np.zeros((len(annotation.people), *annotation.size), np.uint8)
    for mask, person in zip(masks, annotation.people, strict=True):
        try:
            if person.get("bitmap"):
                _paste(mask, person["bitmap"])
            else:
                _fill(mask, person["points"])
        except (ValueError, KeyError, TypeError, binascii.Error, zlib.error, cv2.error) as error:
            raise DataError(f"{annotation.path}: object {person.get('id', '?')} is damaged ({error})") from error
    return torch.from_numpy(masks).float()


def _fill(mask: np.ndarray, points: dict[str, Any]) -> None:
    """An outline with holes; corners are x, y in px."""
    cv2.fillPoly(mask, [np.rint(points["exterior"]).astype(np.int32)], 1)
    for hole in points.get("interior") or ():
        cv2.fillPoly(mask, [np.rint(hole).astype(np.int32)], 0)


def _paste(mask: np.ndarray, bitmap: dict[str, Any]) -> None:
    """A zlib-compressed PNG in base64; its transparency is the mask, or its grey where it has none."""
    data = np.frombuffer(zlib.decompress(base64.b64decode(bitmap["data"])), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise ValueError("its bitmap is not a PNG")
    inside = (picture if picture.ndim == 2 else picture[..., -1] if picture.shape[2] == 4 else picture.max(2)) > 0
    x, y = (int(v) for v in bitmap["origin"])
    window = mask[y : y + inside.shape[0], x : x + inside.shape[1]] if min(x, y) >= 0 else mask[:0]
    if window.shape != inside.shape:
        raise ValueError(f"its bitmap of {inside.shape[1]} x {inside.shape[0]} px at {x}, {y} reaches beyond the picture")
    window[inside] = 1
