"""What weights exist: one entry each, with source, licence and figures.

A figure is the authors' own unless it says otherwise. None means that it is not known to us, never that it is zero.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..errors import WeightsError


@dataclass(frozen=True)
class Licence:
    """What may be done with a file."""

    name: str
    commercial: bool | None  # may be used commercially
    sharing: bool | None  # may be uploaded somewhere else
    hub: str = "other"  # its identifier on the Hub


APACHE = Licence("Apache-2.0", commercial=True, sharing=True, hub="apache-2.0")
CC_BY_SA = Licence("CC BY-SA 3.0", commercial=True, sharing=True, hub="cc-by-sa-3.0")
NON_COMMERCIAL = Licence("non-commercial", commercial=False, sharing=None)
NONE_STATED = Licence("none stated", commercial=False, sharing=False)
UNKNOWN = Licence("unknown", commercial=None, sharing=None)


@dataclass(frozen=True)
class Bundled:
    """A file in the package."""

    stem: str


@dataclass(frozen=True)
class HubFile:
    """A file of a Hugging Face Hub repository, used as it is.

    Without a revision (a commit hash) the catalogue cannot promise which bytes come; then the user names one.
    """

    repo: str
    revision: str | None
    file: str = "model.safetensors"
    companions: tuple[str, ...] = ("config.json",)


@dataclass(frozen=True)
class AuthorsFile:
    """A file that only its authors give out, and that has to be converted."""

    page: str
    what: str  # the file in words, or its name
    host: str
    url: str | None = None  # a direct link
    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class Weights:
    """One entry of the catalogue. ``size`` and ``sha256`` are those of the file that is used, where they are fixed."""

    name: str
    system: str
    architecture: str
    source: Bundled | HubFile | AuthorsFile
    licence: Licence
    parameters: int | None
    trained_on: str
    figures: str
    size: int | None = None
    sha256: str | None = None

    @property
    def file(self) -> str:
        """Where it lies inside a folder of weights."""
        return f"{self.name}/{self.source.file}" if isinstance(self.source, HubFile) else f"{self.name}.safetensors"


_ENTRIES = (
    Weights(
        name="yolox-nano",
        system="yolox",
        architecture="YOLOX-Nano, 416 px, the class person alone",
        source=Bundled("yolox_nano"),
        licence=APACHE,
        parameters=889_058,
        trained_on="COCO train2017",
        figures="COCO box AP 25.8 over all 80 classes, by its authors; equal to their network within float16",
        size=1_798_628,
        sha256="d10b3b1623a6d4006a4c82e56b759e3da3a44922beef7c87440d2bc296514e84",
    ),
    Weights(
        name="people",
        system="people",
        architecture="centre heat map and dynamic convolutions on EfficientNet-lite2",
        source=Bundled("people"),
        licence=APACHE,
        parameters=4_566_756,
        trained_on="scenes of Clothing Co-Parsing street photographs, machine-made portraits, drawn people and things; docs/people.md",
        figures="with yolox-nano and people-closer on 200 composed scenes of kept-aside people: RQ 95.1, recall 93.0%; docs/people.md",
        size=4_751_000,
        sha256="4f43331125125bab99f7f484412a162bf002839f8c8b5bdf53b7106997fce8de",
    ),
    Weights(
        name="people-closer",
        system="people",
        architecture="the network of people, told by a box and masks whom to draw",
        source=Bundled("people_closer"),
        licence=APACHE,
        parameters=4_567_428,
        trained_on="scenes of Clothing Co-Parsing street photographs, machine-made portraits, drawn people and things; docs/people.md",
        figures="see people; docs/people.md",
        size=4_752_592,
        sha256="9d819ecf10798cfa16772652f225d84e78d5a83593b05069c97d86aa3060ef36",
    ),
    Weights(
        name="outline",
        system="mobile-sam",
        architecture="MobileSAM (TinyViT-5M, SAM's decoder), one mask, told by a box and masks whom to draw, 448 px",
        source=Bundled("outline"),
        licence=APACHE,
        parameters=9_250_736,
        trained_on="SA-1B, by MobileSAM's authors; then on the scenes of people-closer; docs/outline.md",
        figures="with people on 200 composed scenes of kept-aside people: RQ 95.3, IoU of those found 0.953; docs/outline.md",
        size=9_433_296,
        sha256="dcbeb29fcbfe766e96b0a82a3266a19957f68fb92c1b0174d9a7c320859fa64b",
    ),
    Weights(
        name="instmatt-compact",
        system="instmatt",
        architecture="InstMatt's first stage, widths 16, 32, 48, 96, 160, with semantics",
        source=Bundled("instmatt-compact"),
        licence=APACHE,
        parameters=7_295_392,
        trained_on="scenes of street photographs (Clothing Co-Parsing), machine-made portraits and drawn people; docs/instmatt_compact.md",
        figures="200 composed scenes of kept-aside people: docs/instmatt_compact.md",
        size=7_590_026,
        sha256="ad3e21fd0d96d15713c935c9185f48e3342fb19438a690f9373484171f721c5a",
    ),
    Weights(
        name="instmatt",
        system="instmatt",
        architecture="res_shortcut_encoder_29, ASPP, res_shortcut_decoder_22_3ch, multi_inst_refiner; tanh output; self-refine 30, 15",
        source=AuthorsFile("https://github.com/nowsyn/InstMatt", "the stage-2 checkpoint", "Google Drive"),
        licence=NONE_STATED,
        parameters=29_742_216,
        trained_on="see the paper (CVPR 2022)",
        figures="not measured by this project",
    ),
    Weights(
        name="e2e-him",
        system="e2e-him",
        architecture="E2EHIMST: Swin-T, 20 queries, input 640 x 640",
        source=AuthorsFile("https://github.com/QLYoo/E2E-HIM", "the Swin-T checkpoint (270 MiB)", "MEGA"),
        licence=NON_COMMERCIAL,
        parameters=70_453_544,
        trained_on="HIM-100K",
        figures="HIM-100K: EMSE 5.33, EMAD 6.62",
    ),
    Weights(
        name="sim",
        system="sim",
        architecture="ResNet-50 v1c, output stride 8, 11 + 20 input channels; ASPP 12/24/36; weight-standardised decoder",
        source=AuthorsFile("https://github.com/nowsyn/SIM", "one of the two matting checkpoints", "Google Drive"),
        licence=UNKNOWN,
        parameters=46_609_840,
        trained_on="see the authors' page, which says it for each of the two",
        figures="the paper's best: Composition-1K SAD 27.7",
    ),
    Weights(
        name="sim-2",
        system="sim",
        architecture="as sim",
        source=AuthorsFile("https://github.com/nowsyn/SIM", "the other of the two matting checkpoints", "Google Drive"),
        licence=UNKNOWN,
        parameters=46_609_840,
        trained_on="see the authors' page, which says it for each of the two",
        figures="not measured by this project",
    ),
    Weights(
        name="sim-classifier",
        system="sim-classifier",
        architecture="ResNet-50 v1.5, 4 input channels, 20 classes of matting pattern",
        source=AuthorsFile("https://github.com/nowsyn/SIM", "the patch classifier", "Google Drive"),
        licence=UNKNOWN,
        parameters=23_552_148,
        trained_on="patches of 20 classes of matting pattern",
        figures="not measured by this project",
    ),
    Weights(
        name="mask-rcnn",
        system="mask-rcnn",
        architecture="Mask R-CNN R50-FPN, 3x schedule, 80 classes",
        source=AuthorsFile(
            "https://github.com/facebookresearch/detectron2/blob/main/MODEL_ZOO.md",
            "model_final_f10217.pkl",
            "a direct link",
            url="https://dl.fbaipublicfiles.com/detectron2/COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x/137849600/model_final_f10217.pkl",
            # as recorded by others who fetched it; a file that differs is converted all the same, with a note
            sha256="9a737e290372f1f70994ebcbd89d8004dbb3ae30a605fd915a190fa4a782dd66",
            size=177_841_981,
        ),
        licence=CC_BY_SA,
        parameters=44_343_216,
        trained_on="COCO train2017",
        figures="COCO val2017: mask AP 37",
    ),
    *(
        Weights(
            name=f"blazepose-{part}",
            system=f"pose-{part}",
            architecture=architecture,
            source=AuthorsFile(
                "https://github.com/google-ai-edge/mediapipe",
                file,
                "a direct link",
                url=f"https://storage.googleapis.com/mediapipe-assets/{file}",
                sha256=sha256,
                size=size,
            ),
            licence=APACHE,
            parameters=parameters,
            trained_on="not published",
            figures="200 composed scenes: RQ 68.7, recall 62.9%; docs/people.md",
        )
        for part, architecture, file, sha256, size, parameters in (
            (
                "detector",
                "BlazePose pose detector, 224 x 224",
                "pose_detection.tflite",
                "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
                2_959_046,
                2_965_314,
            ),
            (
                "landmarks",
                "BlazePose landmarks and mask, heavy, 256 x 256",
                "pose_landmark_heavy.tflite",
                "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",
                27_709_200,
                13_614_261,
            ),
        )
    ),
    *(
        Weights(
            name=f"rf-detr-seg-{size}",
            system="rf-detr-seg",
            architecture=f"RF-DETR-Seg {size}, DINOv2 small with windowed attention, input {side} x {side}",
            source=HubFile(f"Roboflow/rf-detr-seg-{size}", None, companions=("config.json", "preprocessor_config.json")),
            licence=APACHE,
            parameters=parameters,
            trained_on="COCO",
            figures=f"COCO val2017: mask AP {ap}",
        )
        for size, side, parameters, ap in (
            ("nano", 312, 33_600_000, 40.3),
            ("small", 384, 33_700_000, 43.1),
            ("medium", 432, 35_700_000, 45.3),
            ("large", 504, 36_200_000, 47.1),
        )
    ),
    Weights(
        name="vitmatte-small",
        system="vitmatte",
        architecture="ViTMatte-S: plain ViT-S, image and trimap in",
        source=HubFile(
            "hustvl/vitmatte-small-composition-1k",
            "6a58ad7646403c1df626fbd746900aec7361ea1d",
            companions=("config.json", "preprocessor_config.json"),
        ),
        licence=APACHE,
        parameters=25_800_000,
        trained_on="Composition-1k",
        figures="not measured by this project",
        size=103_294_572,
        sha256="bda9289db1bb6762d978b42d1c62ae3f34daf7497171a347a1d09657efd788cb",
    ),
)

CATALOGUE: Mapping[str, Weights] = MappingProxyType({entry.name: entry for entry in _ENTRIES})


def find_entry(name: str) -> Weights:
    """The entry of that name.

    Raises:
        WeightsError: there is none; the message names the closest ones.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    close = difflib.get_close_matches(name, CATALOGUE, n=2)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(CATALOGUE)}."
    raise WeightsError(f"no weights are called {name!r}; {hint} A file is named by its path, or hf:owner/repo/file.safetensors")


def entry_of(system: str | None) -> Weights | None:
    """The first entry of a system that is not this project's own, for the licence and source of files from elsewhere."""
    return next((e for e in _ENTRIES if e.system == system and not isinstance(e.source, Bundled)), None)
