# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Sign the messages of a graph and check them, so that only the processes of one launch take part in its ticks.

Each launch makes a secret and hands it to its processes by inheritance. A sealed message ends with a tag: a keyed
BLAKE2b hash of its topic and of all bytes before the tag. A process without the secret cannot make a tag. The seal
hides nothing, and it does not stop a message of the same launch from being sent a second time: the nodes drop such a
message because its tick is over.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping

from mat_ros.core.errors import Refused

SECRET = "MAT_ROS_SECRET"  # variable that holds the secret of a launch, in hexadecimal digits
TAG_BYTES = 16
NO_TAG = bytes(TAG_BYTES)
FEWEST_BYTES, MOST_BYTES = 16, 64  # of a secret; BLAKE2b takes no longer key


def new_secret() -> str:
    """Return a secret for a launch."""
    return secrets.token_hex(32)


def read_secret(environment: Mapping[str, str] = os.environ) -> bytes:
    """Return the secret of this process; empty where the process was started without one."""
    text = environment.get(SECRET, "")
    if not text:
        return b""
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if not FEWEST_BYTES <= len(secret) <= MOST_BYTES:  # the text itself must not reach a log
        raise Refused(SECRET, f"{2 * FEWEST_BYTES} to {2 * MOST_BYTES} hexadecimal digits", f"{len(text)} characters",
                      "make one with: openssl rand -hex 32")
    return secret


def launch_mark(secret: bytes) -> str:
    """Return a mark by which processes of one launch recognise each other's files; empty without a secret."""
    return hashlib.blake2b(b"launch", digest_size=TAG_BYTES, key=secret).hexdigest() if secret else ""


class Seal:
    """Sign the messages of one topic and check them."""

    def __init__(self, secret: bytes, topic: str) -> None:
        self._keyed = hashlib.blake2b(topic.encode() + b"\x00", digest_size=TAG_BYTES, key=secret)

    def sign(self, data: bytes) -> bytes:
        """Return a message, which ends with an empty tag, with its tag."""
        body = data[:-TAG_BYTES]
        return body + self._tag(body)

    def holds(self, data: bytes) -> bool:
        """Return whether a message ends with the right tag."""
        return hmac.compare_digest(self._tag(data[:-TAG_BYTES]), data[-TAG_BYTES:])

    def _tag(self, body: bytes) -> bytes:
        keyed = self._keyed.copy()
        keyed.update(body)
        return keyed.digest()
