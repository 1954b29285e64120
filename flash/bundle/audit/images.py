"""What the worker images have: distributions and C libraries. Dated tables, from what the images are built on.

GPU images are built on Ubuntu 22.04 with CUDA and torch (``runpod/pytorch:…-ubuntu2204``), CPU images on
``python:X.Y-slim``, which is Debian 12 or, since 2025-08, Debian 13; what both have is listed. Source: platform
contract §4.8 and §5.1, the package lists of those systems, read 2026-08. A library that is only assumed to be there is
listed too: a false alarm costs more than a miss.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

from flash.bundle.audit.names import imported_as
from flash.model.hardware import AUTO_EXCLUDED, IMAGE_DISTRIBUTIONS, provided_by_image

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "CXXABI",
    "GLIBC",
    "GLIBCXX",
    "brought_along",
    "has_library",
    "is_left_to_images",
    "modules_of_image",
]

GLIBC: Final = (2, 35)
"""The oldest glibc among the images: that of Ubuntu 22.04. Debian 12 has 2.36."""

GLIBCXX: Final = (3, 4, 30)
"""The newest symbol version of libstdc++ that all images have, which is that of GCC 12."""

CXXABI: Final = (1, 3, 13)
"""The same, of its language support."""

_EVERY_IMAGE: Final = frozenset(
    {
        *("fastapi", "pydantic", "uvicorn", *IMAGE_DISTRIBUTIONS),
        # what the first three cannot be without
        *("annotated-doc", "annotated-types", "anyio", "click", "h11", "idna", "pydantic-core", "starlette"),
        *("typing-extensions", "typing-inspection"),
    }
)

_BROUGHT_ALONG: Final = frozenset(
    {
        *("aiohappyeyeballs", "aiohttp-retry", "aiosignal", "attrs", "backoff", "boto3", "botocore", "certifi"),
        *("charset-normalizer", "colorama", "cryptography", "filelock", "frozenlist", "fsspec", "hf-xet", "httpcore"),
        *("httptools", "httpx", "jmespath", "multidict", "packaging", "paramiko", "pathspec", "pip", "prettytable"),
        *("propcache", "psutil", "py-cpuinfo", "python-dateutil", "python-dotenv", "pyyaml", "questionary", "rich"),
        *("s3transfer", "setuptools", "six", "tomli", "tomlkit", "tqdm", "typer", "urllib3", "uvloop", "watchdog"),
        *("watchfiles", "wcwidth", "websockets", "yarl"),
    }
)
"""What is in every image because something above needs it, and nobody promises. Source: the requirements of
``runpod`` 1.12, ``runpod-flash`` 1.21, ``uvicorn[standard]`` and ``huggingface-hub``, read 2026-11."""

_BROUGHT_ALONG_BY_TORCH: Final = frozenset({"jinja2", "markupsafe", "mpmath", "networkx", "pillow", "sympy"})

_EVERYWHERE: Final = frozenset(
    {
        # glibc, the dynamic linker, and the compiler's own
        *("ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libBrokenLocale.so.1", "libanl.so.1", "libc.so.6"),
        *("libcrypt.so.1", "libdl.so.2", "libm.so.6", "libmvec.so.1", "libnsl.so.1", "libnss_dns.so.2"),
        *("libnss_files.so.2", "libpthread.so.0", "libresolv.so.2", "librt.so.1", "libthread_db.so.1", "libutil.so.1"),
        *("libgcc_s.so.1", "libstdc++.so.6", "linux-vdso.so.1"),
        # what Debian and Ubuntu always have, what Python is linked with, and what git and curl bring
        *("libacl.so.1", "libapt-pkg.so.6.0", "libattr.so.1", "libblkid.so.1", "libbrotlicommon.so.1"),
        *("libbrotlidec.so.1", "libbz2.so.1.0", "libcap.so.2", "libcom_err.so.2", "libcrypto.so.3", "libcurl.so.4"),
        *("libcurl-gnutls.so.4", "libexpat.so.1", "libffi.so.8", "libformw.so.6", "libgcrypt.so.20", "libgdbm.so.6"),
        *("libgmp.so.10", "libgnutls.so.30", "libgpg-error.so.0", "libgssapi_krb5.so.2", "libhogweed.so.6"),
        *("libidn2.so.0", "libk5crypto.so.3", "libkeyutils.so.1", "libkrb5.so.3", "libkrb5support.so.0"),
        *("liblz4.so.1", "liblzma.so.5", "libmenuw.so.6", "libmount.so.1", "libncurses.so.6", "libncursesw.so.6"),
        *("libnettle.so.8", "libnghttp2.so.14", "libp11-kit.so.0", "libpam.so.0", "libpanelw.so.6"),
        *("libpcre2-8.so.0", "libreadline.so.8", "libselinux.so.1", "libsmartcols.so.1", "libsqlite3.so.0"),
        *("libssl.so.3", "libsystemd.so.0", "libtasn1.so.6", "libtinfo.so.6", "libudev.so.1", "libuuid.so.1"),
        *("libxxhash.so.0", "libz.so.1", "libzstd.so.1"),
    }
)

_GPU_ONLY: Final = frozenset(
    {
        *("libEGL.so.1", "libGL.so.1", "libGLX.so.0", "libGLdispatch.so.0", "libOpenGL.so.0", "libSM.so.6"),
        *("libICE.so.6", "libX11.so.6", "libXau.so.6", "libXdmcp.so.6", "libXext.so.6", "libXfixes.so.3"),
        *("libXi.so.6", "libXrender.so.1", "libatomic.so.1", "libgfortran.so.5", "libgio-2.0.so.0"),
        *("libglib-2.0.so.0", "libgmodule-2.0.so.0", "libgobject-2.0.so.0", "libgomp.so.1", "libgthread-2.0.so.0"),
        *("libnuma.so.1", "libquadmath.so.0", "libxcb.so.1"),
    }
)

# A driver's, CUDA's or torch's: who needs them knows that, and finds them in an image, in nvidia-* or in torch.
_DRIVEN: Final = re.compile(
    r"lib(?:cu(?:da|dart|blas|blasLt|fft|fftw|rand|solver|solverMg|sparse|sparseLt|dnn|pti|file|file_rdma|tensor)"
    r"|nv[\w-]*|nccl|npp\w*|OpenCL|torch\w*|c10\w*|shm|caffe2\w*|triton\w*|amdhip\w*|hip\w*|roc\w*|rccl|MIOpen|hsa-\w+"
    r"|ze_loader|sycl|tensorflow\w*|cudnn_\w+|cudadevrt|nvshmem\w*)[\w-]*(?:[.-][\w.-]+)?\.so(?:[.\d]*)"
)
_PYTHON: Final = re.compile(r"libpython(3\.\d+)\.so(?:\.1\.0)?|libpython3\.so")


def has_library(name: str, *, is_gpu: bool, python_version: str) -> bool:
    """Whether an image has the shared library *name*, or whoever needs it is left to find it."""
    python = _PYTHON.fullmatch(name)
    if python is not None:
        return python.group(1) in (None, python_version)
    return name in _EVERYWHERE or (is_gpu and name in _GPU_ONLY) or _DRIVEN.fullmatch(name) is not None


@cache
def modules_of_image(is_gpu: bool, more: frozenset[str] = frozenset()) -> frozenset[str]:
    """The names under which an endpoint's image has what it promises, and what the user says of it.

    Args:
        is_gpu: Whether it is a GPU image.
        more: Distributions or modules that are there besides.
    """
    return frozenset(_modules({*_EVERY_IMAGE, *provided_by_image(is_gpu), *more}) | more)


@cache
def brought_along(is_gpu: bool) -> frozenset[str]:
    """The names of modules that an image has only because something else in it needs them today."""
    also = _BROUGHT_ALONG_BY_TORCH if is_gpu else frozenset()
    return frozenset(_modules(_BROUGHT_ALONG | also))


def is_left_to_images(distribution: str) -> bool:
    """Whether a distribution that was left out is one that GPU images ship."""
    return distribution in AUTO_EXCLUDED or distribution in provided_by_image(is_gpu=True)


def _modules(distributions: Iterable[str]) -> set[str]:
    return {module for name in distributions for module in imported_as(str(canonicalize_name(name)))}
