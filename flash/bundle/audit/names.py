"""Which name is whose: modules of the standard library by version, distributions whose modules are called otherwise.

Dated tables, both: the standard library of Python 3.10 to 3.14 as the interpreters list it, and the well-known
differences between names on PyPI and names to import, read 2026-11.
"""

from __future__ import annotations

import sys
from typing import Final

from packaging.utils import canonicalize_name

__all__ = ["distribution_of", "imported_as", "is_standard", "removed_in"]

_ADDED: Final = {"tomllib": (3, 11), "annotationlib": (3, 14), "compression": (3, 14)}

_REMOVED: Final = {
    **dict.fromkeys(("asynchat", "asyncore", "distutils", "imp", "smtpd"), (3, 12)),
    "binhex": (3, 11),
    **dict.fromkeys(
        (
            *("aifc", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "lib2to3", "mailcap", "msilib", "nis"),
            *("nntplib", "ossaudiodev", "pipes", "sndhdr", "spwd", "sunau", "telnetlib", "uu", "xdrlib"),
        ),
        (3, 13),
    ),
}

_NOT_ON_LINUX: Final = frozenset({"msilib", "msvcrt", "nt", "winreg", "winsound"})

_MODULES: Final = {
    "absl-py": ("absl",),
    "antlr4-python3-runtime": ("antlr4",),
    "apscheduler": ("apscheduler",),
    "attrs": ("attr", "attrs"),
    "azure-storage-blob": ("azure",),
    "beautifulsoup4": ("bs4",),
    "biopython": ("Bio",),
    "charset-normalizer": ("charset_normalizer",),
    "djangorestframework": ("rest_framework",),
    "faiss-cpu": ("faiss",),
    "faiss-gpu": ("faiss",),
    "ffmpeg-python": ("ffmpeg",),
    "flash-attn": ("flash_attn",),
    "gitpython": ("git",),
    "google-api-python-client": ("googleapiclient",),
    "grpcio": ("grpc",),
    "hydra-core": ("hydra",),
    "jinja2": ("jinja2",),
    "llama-cpp-python": ("llama_cpp",),
    "markupsafe": ("markupsafe",),
    "mysqlclient": ("MySQLdb",),
    "onnxruntime-gpu": ("onnxruntime",),
    "open-clip-torch": ("open_clip",),
    "openai-whisper": ("whisper",),
    "opencv-contrib-python": ("cv2",),
    "opencv-contrib-python-headless": ("cv2",),
    "opencv-python": ("cv2",),
    "opencv-python-headless": ("cv2",),
    "pdfminer-six": ("pdfminer",),
    "pillow": ("PIL",),
    "protobuf": ("google.protobuf",),
    "psycopg2-binary": ("psycopg2",),
    "py-cpuinfo": ("cpuinfo",),
    "pycryptodome": ("Crypto",),
    "pyjwt": ("jwt",),
    "pymupdf": ("fitz", "pymupdf"),
    "pynacl": ("nacl",),
    "pyopenssl": ("OpenSSL",),
    "pyserial": ("serial",),
    "pytesseract": ("pytesseract",),
    "python-dateutil": ("dateutil",),
    "python-docx": ("docx",),
    "python-dotenv": ("dotenv",),
    "python-jose": ("jose",),
    "python-levenshtein": ("Levenshtein",),
    "python-magic": ("magic",),
    "python-multipart": ("multipart", "python_multipart"),
    "python-pptx": ("pptx",),
    "python-slugify": ("slugify",),
    "pytorch-lightning": ("pytorch_lightning",),
    "pywavelets": ("pywt",),
    "pyyaml": ("yaml",),
    "pyzmq": ("zmq",),
    "runpod-flash": ("runpod_flash",),
    "scikit-image": ("skimage",),
    "scikit-learn": ("sklearn",),
    "segment-anything": ("segment_anything",),
    "sentence-transformers": ("sentence_transformers",),
    "setuptools": ("setuptools", "pkg_resources", "_distutils_hack"),
    "tensorflow-cpu": ("tensorflow",),
    "umap-learn": ("umap",),
    "websocket-client": ("websocket",),
}

_SPELLED: Final = {"pyyaml": "PyYAML", "gitpython": "GitPython", "pyjwt": "PyJWT"}
# Of several distributions with the same module, the one that suits a worker.
_CHOSEN: Final = {
    "cv2": "opencv-python-headless",
    "faiss": "faiss-cpu",
    "google.protobuf": "protobuf",
    "onnxruntime": "onnxruntime",
    "tensorflow": "tensorflow",
}
_DISTRIBUTIONS: Final = {
    **{module: _SPELLED.get(name, name) for name, modules in _MODULES.items() for module in modules},
    **_CHOSEN,
}


def is_standard(module: str, python_version: str) -> bool:
    """Whether the top-level *module* is in the standard library of a worker's Python, whatever Python runs this.

    Private names are taken to be: which there are is nobody's promise.

    >>> is_standard("imp", "3.11"), is_standard("imp", "3.12")
    (True, False)
    """
    if module in _NOT_ON_LINUX:
        return False
    version = _parsed(python_version)
    if module in _ADDED:
        return version >= _ADDED[module]
    if module in _REMOVED:
        return version < _REMOVED[module]
    return module in sys.stdlib_module_names or module.startswith("_")


def removed_in(module: str, python_version: str) -> str | None:
    """Why a module that is known from a standard library is not in the worker's, or None."""
    version = _parsed(python_version)
    if module in _REMOVED and version >= _REMOVED[module]:
        return f"Python {_shown(_REMOVED[module])} removed it from the standard library"
    if module in _ADDED and version < _ADDED[module]:
        return f"the standard library has it from Python {_shown(_ADDED[module])} on"
    return "the standard library has it on Windows only" if module in _NOT_ON_LINUX else None


def imported_as(distribution: str) -> tuple[str, ...]:
    """The names of the modules of a distribution that is not at hand, by its normalised name.

    >>> imported_as("scikit-learn")
    ('sklearn',)
    """
    return _MODULES.get(distribution) or (distribution.replace("-", "_").replace(".", "_"),)


def distribution_of(module: str) -> str:
    """What to write into ``dependencies=[…]`` for *module*, as far as can be told from its name.

    >>> distribution_of("yaml.nodes")
    'PyYAML'
    """
    parts = module.split(".")
    for count in range(len(parts), 0, -1):
        known = _DISTRIBUTIONS.get(".".join(parts[:count]))
        if known is not None:
            return known
    return str(canonicalize_name(parts[0]))


def _parsed(python_version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in python_version.split("."))


def _shown(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
