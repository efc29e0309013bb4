"""A disk whose calls fail on demand: for tests of what a command does then, in this process."""

from __future__ import annotations

import builtins
import errno
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Disk:
    """Counts the calls of a kind below `folder`, and lets chosen ones fail.

    Kinds: "write" (open, write, sync, reserve, rename, link, make a folder), "close" (what was
    written), "remove" (files and folders) and "read" (open for reading, list). Nothing is synced in
    truth: the tests end before their power does. `patch` sets attributes, as `setattr` does."""

    def __init__(self, folder: Path, patch: Callable[[Any, str, Any], None]) -> None:
        self.folder, self.lock = f"{folder}{os.sep}", threading.Lock()
        self.names: dict[int, bool] = {}  # descriptors below the folder, and whether they write
        self.rest()
        for name in ("write", "pwrite", "fsync", "posix_fallocate", "ftruncate"):
            patch(os, name, self._on_descriptor(name, getattr(os, name)))
        for name in ("replace", "rename", "link"):
            patch(os, name, self._on_paths(name, getattr(os, name)))
        patch(os, "mkdir", self._on_paths("mkdir", os.mkdir))
        for name in ("unlink", "rmdir"):
            patch(os, name, self._on_removal(getattr(os, name)))
        for name in ("listdir", "scandir"):
            patch(os, name, self._on_listing(getattr(os, name)))
        self._patch_opening(patch)

    def rest(self) -> None:
        """Let all calls pass, and count from 0."""
        self.fail_at(0, 0)
        self.short = self.without_links = False

    def fail_at(
        self, number: int, error: int, *, lasting: bool = False, kind: str = "write"
    ) -> None:
        """Let the call of a number, from 1, fail, or with `lasting` it and all that follow."""
        self.counts = dict.fromkeys(("write", "close", "remove", "read"), 0)
        self.number, self.error, self.lasting, self.kind = number, error, lasting, kind
        self.kept: set[str] = set()  # what could not be removed

    def _strike(self, kind: str) -> None:
        with self.lock:
            self.counts[kind] += 1
            count = self.counts[self.kind]
            late = self.lasting and count > self.number
        if self.number and kind == self.kind and (count == self.number or late):
            self.fail()

    def fail(self) -> None:
        """What happens at a chosen call."""
        raise OSError(self.error, os.strerror(self.error))

    def _inside(self, path: Any) -> bool:
        return not isinstance(path, int) and os.path.abspath(path).startswith(self.folder)

    def _on_descriptor(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(descriptor: int, *arguments: Any) -> Any:
            if descriptor not in self.names:
                return call(descriptor, *arguments)
            self._strike("write")
            if name == "fsync":
                return None
            if name == "pwrite" and self.short:
                data, offset = arguments
                return call(descriptor, data[: -(-len(data) // 2)], offset)
            return call(descriptor, *arguments)

        return counted

    def _on_paths(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(path: Any, *arguments: Any, **options: Any) -> Any:
            if self._inside(path) and not (name == "mkdir" and os.path.isdir(path)):
                self._strike("write")
                if name == "link" and self.without_links:
                    raise OSError(errno.EPERM, os.strerror(errno.EPERM))
            return call(path, *arguments, **options)

        return counted

    def _on_removal(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(path: Any, **options: Any) -> Any:
            if self._inside(path) and os.path.lexists(path):
                try:
                    self._strike("remove")
                except OSError:
                    self.kept.add(os.path.abspath(path))
                    raise
            return call(path, **options)

        return counted

    def _on_listing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(path: Any = ".") -> Any:
            if self._inside(path):
                self._strike("read")
            return call(path)

        return counted

    def _patch_opening(self, patch: Callable[[Any, str, Any], None]) -> None:
        disk, os_open, os_close, file_open = self, os.open, os.close, builtins.open

        class Raw(io.FileIO):
            def write(self, data: Any) -> int:
                disk._strike("write")
                view = memoryview(data)
                return super().write(view[: -(-len(view) // 2)] if disk.short else view)

            def close(self) -> None:
                if not self.closed:
                    super().close()
                    disk._strike("close")

        def opened(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
            ours, writes = self._inside(path) and options.get("dir_fd") is None, flags & _WRITING
            if ours:
                self._strike("write" if writes else "read")
            descriptor = os_open(path, flags, *arguments, **options)
            if ours:
                self.names[descriptor] = bool(writes)
            return descriptor

        def closed(descriptor: int) -> None:
            writes = self.names.pop(descriptor, False)
            os_close(descriptor)  # it is closed even if it says that it failed
            if writes:
                self._strike("close")

        def open_file(path: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if not self._inside(path):
                return file_open(path, mode, *arguments, **options)
            if not set(mode) & set("wxa+"):
                self._strike("read")
                return file_open(path, mode, *arguments, **options)
            assert mode in ("xb", "wb"), mode
            self._strike("write")
            return io.BufferedWriter(Raw(path, mode))

        patch(os, "open", opened)
        patch(os, "close", closed)
        for module in (builtins, io):  # pathlib takes the second one
            patch(module, "open", open_file)
