"""The images that workers' images are made from: a Python and what Runpod's images ship beside it."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING

from flash.emulator.launchers.engine import base_image
from flash.emulator.launchers.images import LIBRARY_FOLDER, base_tag, context
from flash.errors import PreviewError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flash.emulator.launchers.containers import Containers

__all__ = ["BaseImages"]


class BaseImages:
    """Makes them on first use. They are no platform's own: every platform on the engine starts from them.

    Args:
        containers: The engine.
        library_for: The folder with the distributions that the images ship, for a Python version and what an endpoint
            uses of a GPU image. May take long.
    """

    def __init__(self, containers: Containers, library_for: Callable[[str, tuple[str, ...]], Path]) -> None:
        self._containers = containers
        self._library_for = library_for
        self._locks: dict[object, threading.Lock] = defaultdict(threading.Lock)

    def tag(self, python_version: str, provided: tuple[str, ...] = ()) -> str:
        """The base for a Python version and what an endpoint uses of a GPU image. Safe in threads.

        Raises:
            PreviewError: The engine does not answer or says no, or Python's image cannot be pulled.
            FlashError: The distributions cannot be installed.
        """
        python_image = base_image(python_version)
        with self._locks[python_version, provided]:
            image_id = self.pulled(python_image)
            library = self._library_for(python_version, provided)
            tag = base_tag(python_version, image_id, library)
            if self._containers.image_id(tag) is None:
                with context(python_image, library, LIBRARY_FOLDER) as archive:
                    self._containers.build(tag, archive, {"flash.base": python_version})
        return tag

    def pulled(self, name: str) -> str:
        """The id of an image, which is pulled where it is not there. Safe in threads.

        Raises:
            PreviewError: The engine does not answer or says no, or the image cannot be pulled.
        """
        with self._locks[name]:
            image_id = self._containers.image_id(name)
            if image_id is not None:
                return image_id
            try:
                self._containers.pull(name)
                image_id = self._containers.image_id(name)
            except PreviewError as error:
                raise PreviewError(
                    f"image {name} is not here and cannot be pulled: {error.message}", hint=f"docker pull {name}"
                ) from error
        if image_id is None:
            raise PreviewError(f"image {name} is not here, although it was pulled", hint=f"docker pull {name}")
        return image_id
