# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define the policy bundle, the folder that training hands to deployment. The manifest holds a hash of every file.

manifest.yaml        the policy by names and with units (mat_ros.core.policy.manifest)
weights.safetensors  every parameter, under the names that `python -m training.models` prints
encoder.onnx         observation (batch, n, obs_dim) -> enc (batch, n, enc_dim), values (batch, n)
step.onnx            enc (batch, enc_dim), action (batch, act_dim), state -> action (batch, act_dim), state
tick.onnx            optional: both in one, observation (batch, n, obs_dim) -> action (batch, n, act_dim), values
                     (newer exports take any n up to the manifest's agents: the first n slots of the chain)
golden.npz           ticks that every backend must reproduce: observation, values and action of each tick; for the
                     first few also enc and the last slot's outgoing state, which show where an error begins

Loading verifies every file before its first use. A wrong hash, an unknown joint, a missing term, a wrong unit or a
newer schema is refused with one sentence. A refused bundle is not used at all.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.core.plain import mistakes_of_yaml, one_line
from mat_ros.core.policy.manifest import Manifest

MANIFEST = "manifest.yaml"
FILES = ("weights.safetensors", "encoder.onnx", "step.onnx", "golden.npz")
OPTIONAL_FILES = ("tick.onnx",)
# Every process of a graph reads the manifest when it starts. The compiled loader needs a quarter of the time.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Bundle:
    """Hold a verified policy folder."""

    def __init__(self, folder: Path, manifest: Manifest, digest: str) -> None:
        self.folder = folder
        self.manifest = manifest
        self.digest = digest  # sha256 of the manifest, which holds the hash of every other file

    @property
    def hash64(self) -> int:
        """Return the first 64 bits of the digest, which every message of the tick carries."""
        return int(self.digest[:16], 16)

    def path(self, name: str) -> Path:
        """Return the path of a file of the bundle."""
        if name not in self.manifest.files:
            raise Refused(f"bundle {self.folder}", f"one of {sorted(self.manifest.files)}", name, "export it anew")
        return self.folder / name

    def read(self, name: str) -> bytes:
        """Return the bytes of a file of the bundle. Bytes that differ from the verified ones are refused."""
        data = _read(self.path(name))
        _check_hash(self.folder, name, data, self.manifest.files[name])
        return data

    @classmethod
    def load(cls, folder: Path) -> Bundle:
        """Verify a folder, and return its bundle."""
        text = _read(folder / MANIFEST)
        try:
            manifest = _parsed(text)
        except yaml.YAMLError as error:
            raise Refused(f"bundle {folder}, {MANIFEST}", "YAML", one_line(error),
                          "copy the bundle anew") from error
        if absent := sorted(set(FILES) - set(manifest.files)):
            raise Refused(f"bundle {folder}", f"the files {FILES}", f"no {absent}", "export it anew")
        for name, expected in manifest.files.items():
            if name not in FILES + OPTIONAL_FILES:  # the check also keeps every path inside the folder
                raise Refused(f"bundle {folder}, file", f"one of {FILES + OPTIONAL_FILES}", name, "export it anew")
            if (folder / name).is_symlink():
                raise Refused(f"bundle {folder}, {name}", "a file in the folder", "a link", "copy the bundle anew")
            _check_hash(folder, name, _read(folder / name), expected)
        return cls(folder, manifest, hashlib.sha256(text).hexdigest())

    def golden(self) -> dict[str, NDArray[np.float32]]:
        """Return the ticks that every backend must reproduce, as arrays by name."""
        try:
            with np.load(io.BytesIO(self.read("golden.npz")), allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in arrays.files}
        except (ValueError, OSError, zipfile.BadZipFile) as error:
            raise Refused(f"bundle {self.folder}, golden.npz", "an npz file of numbers", error,
                          "export it anew") from error
        net, last = self.manifest.network, self.manifest.state.size(self.manifest.network.agents)
        for name, shape in (("observation", (net.agents, net.obs_dim)), ("values", (net.agents,)),
                            ("action", (net.agents, net.act_dim)), ("enc", (net.agents, net.enc_dim)),
                            ("state", (last,))):
            array = found.get(name)
            if (array is None or array.dtype != np.float32 or array.shape[1:] != shape or not len(array)
                    or len(array) > len(found["observation"]) or not np.isfinite(array).all()):
                raise Refused(f"bundle {self.folder}, golden {name}", f"finite float32 of shape (ticks, *{shape})",
                              "none" if array is None else f"{array.dtype} of shape {array.shape}", "export it anew")
        return found


def write_manifest(folder: Path, manifest: Manifest) -> str:
    """Write manifest.yaml for files that are already in the folder, and return the digest."""
    text = yaml.safe_dump(manifest.to_dict(), sort_keys=False, default_flow_style=None, width=4096, allow_unicode=True)
    if Manifest.from_dict(yaml.safe_load(text)) != manifest:
        raise Refused("manifest", "values that read back equal", "a difference", "report it: the writer loses digits")
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


def hash_files(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file of a bundle folder."""
    names = [name for name in FILES + OPTIONAL_FILES if (folder / name).exists()]
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


@lru_cache(maxsize=4)  # a forked node inherits the manifest that its supervisor has read
def _parsed(text: bytes) -> Manifest:
    with mistakes_of_yaml():
        data = yaml.load(text, Loader=LOADER)
    if not isinstance(data, dict):
        raise Refused(MANIFEST, "a mapping", type(data).__name__, "copy the bundle anew")
    return Manifest.from_dict(data)


def _check_hash(folder: Path, name: str, data: bytes, expected: str) -> None:
    got = hashlib.sha256(data).hexdigest()
    if got != expected:
        raise Refused(f"bundle {folder}, {name}", f"sha256 {expected[:16]}…", f"{got[:16]}…",
                      "copy or export the bundle anew")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"bundle file {path}", "a readable file", error.strerror,
                      "copy or export the bundle anew") from error
