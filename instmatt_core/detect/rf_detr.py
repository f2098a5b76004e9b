"""RF-DETR with its segmentation head, as ``transformers`` has it; weights ``Roboflow/rf-detr-seg-*``, Apache-2.0."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import UsageError, WeightsError
from ..instances import InstanceMasks
from .findings import people_of

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class RfDetr:
    """Detector of people and their masks; call it with a picture.

    Args:
        model: a ``transformers.RfDetrForInstanceSegmentation``; :meth:`load` makes one.
        size: height and width of the network's input, in px.
        device: where the network runs.
        min_score: least score of a person, in [0, 1].
        max_people: keep at most this many, the surest.

    Raises:
        WeightsError: the model does not know people.
    """

    name = "rf-detr-seg"

    def __init__(
        self, model: Any, size: Sequence[int], device: str | torch.device = "cpu", *, min_score: float = 0.5, max_people: int = 20
    ):
        labels = {name.lower(): int(index) for index, name in model.config.id2label.items()}
        if "person" not in labels:
            raise WeightsError(f"this RF-DETR model has no class called person; it has {', '.join(list(labels)[:5])}, ...")
        self.person = labels["person"]
        self.device = torch.device(device)
        self.min_score, self.max_people = min_score, max_people
        self.size = (int(size[0]), int(size[1]))
        self.model = model.eval().to(self.device)

    @classmethod
    def load(cls, weights: Path, device: str | torch.device = "cpu", **options: Any) -> RfDetr:
        """From ``model.safetensors`` of a Hub repository, with ``config.json`` and ``preprocessor_config.json`` beside it.

        Raises:
            UsageError: ``transformers`` is not installed or too old.
            WeightsError: a file is missing, damaged, or of another network.
        """
        try:
            from transformers import RfDetrForInstanceSegmentation
        except ImportError as error:
            raise UsageError(
                f'rf-detr-seg needs transformers 5.17 or later ({error}); where this project lies, run: pip install ".[detectors]"'
            ) from error
        architecture: Any = RfDetrForInstanceSegmentation
        folder = Path(weights).parent
        try:
            stated = json.loads((folder / "preprocessor_config.json").read_text("utf-8"))["size"]
            size = (stated["height"], stated["width"])
            model, report = architecture.from_pretrained(folder, local_files_only=True, use_safetensors=True, output_loading_info=True)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise WeightsError(f"{folder}: not a complete RF-DETR segmentation model ({error})") from error
        faults = [f"{kind} {key}" for kind in ("missing", "unexpected", "mismatched") for key in report[f"{kind}_keys"]]
        if faults:
            raise WeightsError(f"{weights}: not weights of this model, {len(faults)} tensors differ:\n  " + "\n  ".join(faults))
        return cls(model, size, device, **options)

    @torch.inference_mode()
    def __call__(self, image: Tensor, progress: Callable[[float], None] = lambda share: None) -> InstanceMasks:
        """Find people in ``image (3, H, W)``; the masks have its size and are ordered left to right."""
        output = self.model(pixel_values=prepare(image, self.size).to(self.device))
        progress(0.7)
        scores = output.logits[0, :, self.person].sigmoid().float().cpu()
        sure = scores >= self.min_score
        logits = output.pred_masks[0].float().cpu()[sure]
        masks = torch.zeros(len(logits), *image.shape[1:], dtype=torch.bool)
        for target, mask in zip(masks, logits, strict=True):
            target[:] = F.interpolate(mask[None, None], tuple(image.shape[1:]), mode="bilinear", align_corners=False)[0, 0] > 0
        progress(1.0)
        return people_of(masks, scores[sure], max_people=self.max_people)


def prepare(image: Tensor, size: tuple[int, int]) -> Tensor:
    """The network's input ``(1, 3, h, w)``: stretched without antialiasing, as it was trained, then normalised."""
    x = F.interpolate(image[None], size, mode="bilinear", align_corners=False, antialias=False)
    return (x - x.new_tensor(MEAN)[:, None, None]) / x.new_tensor(STD)[:, None, None]
