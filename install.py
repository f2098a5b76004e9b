"""ComfyUI-Manager runs this after `pip install -r requirements.txt`: it checks, explains, and changes nothing.

Standard library only; no pip, no download. Exit status 1 if Python, torch or the pack itself must be replaced.
"""

import importlib
import json
import sys
from pathlib import Path

BUNDLED = Path(__file__).resolve().parent / "instmatt_core" / "weights" / "bundled"
NEEDED = {  # module: what pip calls it
    "numpy": "numpy",
    "scipy": "scipy",
    "cv2": "opencv-contrib-python-headless",
    "PIL": "pillow",
    "safetensors": "safetensors",
    "huggingface_hub": "huggingface-hub",
    "pymatting": "pymatting",
    "tqdm": "tqdm",
    "rich": "rich",
    **({} if sys.version_info >= (3, 11) else {"tomli": "tomli"}),
}
BROKEN = (ImportError, OSError, RuntimeError, AttributeError, ValueError, TypeError)  # what importing a broken package raises


def check_import(module):
    """None if the module can be imported, or else why not, in a few words."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        return "missing" if error.name == module else f"broken ({error})"
    except BROKEN as error:
        return f"broken ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
    return None


def check_torch():
    """A sentence about torch, and whether it can be used."""
    problem = check_import("torch")
    if problem:
        return f"{problem}; install it as https://pytorch.org says", False
    torch = sys.modules["torch"]
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < (2, 4):
        return f"{torch.__version__} is too old, 2.4 or later is needed", False
    device = "CUDA" if torch.cuda.is_available() else "MPS" if torch.backends.mps.is_available() else "CPU only"
    return f"{torch.__version__}, {device}", True


def check_bundled():
    """Problems with the weights inside the package: files that are missing or cut short."""
    problems = []
    for name in ("yolox_nano", "people", "people_closer", "outline", "instmatt-compact"):
        path = BUNDLED / f"{name}.safetensors"
        try:
            with path.open("rb") as file:
                header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
                start = file.tell()
            ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
            if path.stat().st_size != start + max(ends):
                problems.append(f"{path.name} is cut short")
        except (OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError):
            problems.append(f"{path.name} is missing or damaged")
    return problems


def main():
    """Print five lines; the exit status."""
    sys.stdout.reconfigure(errors="backslashreplace")  # the folder's name may not be in the console's code page
    python = sys.version_info >= (3, 10)
    torch, torch_works = check_torch()
    problems = {package: problem for module, package in NEEDED.items() if (problem := check_import(module))}
    wrong = "; ".join(f"{package} {problem}" for package, problem in problems.items())
    damaged = check_bundled()
    command = " ".join(f'"{path}"' if " " in path else path for path in (sys.executable, str(BUNDLED.parents[1])))
    works = python and torch_works and not problems and not damaged
    told = "finding people and matting them, offline" if works else "nothing yet; see above"
    print(f"[instmatt] Python   {sys.version.split()[0]}{'' if python else ' is too old, 3.10 or later is needed'}")
    print(f"[instmatt] torch    {torch}")
    print(f"[instmatt] packages {f'{wrong}: pip install ' + ' '.join(problems) if problems else 'all there'}")
    print(f"[instmatt] weights  {'; '.join(damaged) + ': install the pack again' if damaged else 'the bundled ones are there'}")
    print(f"[instmatt] works    {told}. Others: {command} weights list")
    return 0 if python and torch_works and not damaged else 1


if __name__ == "__main__":
    sys.exit(main())
