"""Any instance segmentation model of detectron2, where the user has installed it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import UsageError, WeightsError
from ..image import to_uint8
from ..instances import InstanceMasks
from .findings import people_of

PAPERS_MODEL = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml"


class Detectron2:
    """Detector of people and their masks; call it with a picture.

    Args:
        config: a configuration of detectron2's model zoo, or a path of a ``.yaml`` file.
        weights: a file in one of detectron2's own formats; None takes the model zoo's, which detectron2 downloads.
            It reads them with pickle: use only files that you trust.
        device: where the network runs.
        min_score: least score of a person, in [0, 1]; InstMatt's paper takes 0.7.
        max_people: keep at most this many, the surest.

    Raises:
        UsageError: detectron2 is not installed, or it does not know the configuration.
        WeightsError: the model does not know people.
    """

    name = "detectron2"

    def __init__(
        self,
        config: str | Path = PAPERS_MODEL,
        weights: str | Path | None = None,
        device: str | torch.device = "cpu",
        *,
        min_score: float = 0.7,
        max_people: int = 20,
    ):
        try:
            from detectron2 import model_zoo
            from detectron2.config import get_cfg
            from detectron2.data import MetadataCatalog
            from detectron2.engine import DefaultPredictor
        except ImportError as error:
            raise UsageError(
                f"detectron2 cannot be imported ({error}); install it as its documentation says, or take the detector mask-rcnn,"
                " which is the same model without it"
            ) from error
        settings = get_cfg()
        own = Path(config).is_file()
        try:
            settings.merge_from_file(str(config) if own else model_zoo.get_config_file(str(config)))
            if weights is not None:
                settings.MODEL.WEIGHTS = str(weights)
            elif not own:
                settings.MODEL.WEIGHTS = model_zoo.get_checkpoint_url(str(config))
        except (RuntimeError, KeyError, OSError) as error:
            raise UsageError(f"{config}: no file, and no configuration of detectron2's model zoo ({error})") from error
        settings.MODEL.DEVICE = str(device)
        settings.MODEL.ROI_HEADS.SCORE_THRESH_TEST = min_score
        self.person = _person(MetadataCatalog.get(settings.DATASETS.TRAIN[0]), config)
        self.min_score, self.max_people = min_score, max_people
        self.predictor = DefaultPredictor(settings)

    def __call__(self, image: Tensor, progress: Callable[[float], None] = lambda share: None) -> InstanceMasks:
        """Find people in ``image (3, H, W)``; the masks have its size and are ordered left to right."""
        found = self.predictor(to_uint8(image)[:, :, ::-1])["instances"].to("cpu")
        keep = (found.pred_classes == self.person) & (found.scores > self.min_score)
        progress(1.0)
        return people_of(found.pred_masks[keep], found.scores[keep], max_people=self.max_people)


def _person(metadata: Any, config: object) -> int:
    names = [str(name).lower() for name in metadata.get("thing_classes", ["person"])]
    if "person" not in names:
        raise WeightsError(f"{config}: this model knows no class called person")
    return names.index("person")
