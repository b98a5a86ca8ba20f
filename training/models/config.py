# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Describe the shape of a policy as one frozen record, which a checkpoint can store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

RWKV_MIXERS = ("rwkv4", "rwkv5", "rwkv6", "rwkv7")
ENCODER_MIXERS = ("attention", *RWKV_MIXERS)
DECODER_MIXERS = ("attention", *RWKV_MIXERS, "none")

MIXERS_OF = {  # preset name -> (encoder mixer, decoder mixer)
    "mat": ("attention", "attention"),
    "mat_dec": ("attention", "none"),
    "marwkv4": ("rwkv4", "rwkv4"),
    "marwkv5": ("rwkv5", "rwkv5"),
    "marwkv6": ("rwkv6", "rwkv6"),
    "marwkv7": ("rwkv7", "rwkv7"),
    "hybrid": ("attention", "rwkv4"),
}

Mask = tuple[tuple[bool, ...], ...]  # (agent, dimension)


@dataclass(frozen=True)
class PolicyConfig:
    """Describe one policy. The same record always builds the same parameters."""

    agents: int  # n, the number of slots of the chain
    obs_dim: int  # widest observation of an agent; shorter observations are padded at the end
    act_dim: int  # continuous: widest action; discrete: number of choices
    encoder: str = "attention"  # one of ENCODER_MIXERS
    decoder: str = "attention"  # one of DECODER_MIXERS
    width: int = 64  # d
    blocks: int = 1
    heads: int = 1  # number of heads of attention, and of the matrix state of RWKV-5, 6 and 7
    encoder_bidirectional: bool = False  # RWKV encoders only: let every agent see every other, as attention always does
    discrete: bool = False
    agent_id: bool = False  # append a one-hot agent number to the observation
    observation_mask: Mask | None = None  # (n, obs_dim), False where an agent's observation is padding
    action_mask: Mask | None = None  # (n, act_dim), False where an agent's action (or choice) is padding
    log_std_init: float = 1.0
    std_scale: float = 0.5  # std = sigmoid(log_std) * std_scale

    def __post_init__(self) -> None:
        """Refuse settings from which no policy can be built."""
        if self.encoder not in ENCODER_MIXERS:
            raise ValueError(f"expected an encoder mixer of {ENCODER_MIXERS}, got {self.encoder!r}; choose one of them")
        if self.decoder not in DECODER_MIXERS:
            raise ValueError(f"expected a decoder mixer of {DECODER_MIXERS}, got {self.decoder!r}; choose one of them")
        for name in ("agents", "obs_dim", "act_dim", "width", "blocks", "heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}; give a positive number")
        if self.width % self.heads:
            raise ValueError(f"expected a width divisible by {self.heads} heads, got {self.width}; change one of them")
        self._check_mask("observation_mask", self.observation_mask, self.obs_dim)
        self._check_mask("action_mask", self.action_mask, self.act_dim)

    def _check_mask(self, name: str, mask: Mask | None, size: int) -> None:
        if mask is None:
            return
        if len(mask) != self.agents or any(len(row) != size for row in mask):
            got = (len(mask), *sorted({len(row) for row in mask}))
            raise ValueError(f"expected {name} of shape {(self.agents, size)}, got {got}; give one row per agent")
        if not all(any(row) for row in mask):
            raise ValueError(f"expected each row of {name} to keep a dimension, got an empty row; drop that agent")

    @property
    def observation_width(self) -> int:
        """Return the count of numbers that the networks read per agent: the observation and, if configured, the id."""
        return self.obs_dim + (self.agents if self.agent_id else 0)

    @property
    def enc_dim(self) -> int:
        """Return the count of numbers in one row of `encode`: the width, or the observation where no decoder mixes."""
        return self.observation_width if self.decoder == "none" else self.width

    @property
    def action_input_dim(self) -> int:
        """Return the count of numbers in `a_prev`. A discrete action is one-hot, after a column for the start token."""
        return self.act_dim + 1 if self.discrete else self.act_dim

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain YAML types, for checkpoints and manifests."""
        plain = asdict(self)
        for name in ("observation_mask", "action_mask"):
            if plain[name] is not None:
                plain[name] = [list(row) for row in plain[name]]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> PolicyConfig:
        """Return the record that `to_dict` wrote. Refuse unknown fields."""
        unknown = sorted(set(plain) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"expected fields of PolicyConfig, got {unknown}; remove them or use a newer release")
        values = dict(plain)
        for name in ("observation_mask", "action_mask"):
            if values.get(name) is not None:
                values[name] = tuple(tuple(bool(kept) for kept in row) for row in values[name])
        return cls(**values)


def policy_config(name: str, agents: int, obs_dim: int, act_dim: int, **overrides: Any) -> PolicyConfig:
    """Return a preset by name: mat, mat_dec, marwkv4..7 or hybrid."""
    if name not in MIXERS_OF:
        raise ValueError(f"expected a policy of {tuple(MIXERS_OF)}, got {name!r}; choose one of them")
    encoder, decoder = MIXERS_OF[name]
    return replace(PolicyConfig(agents, obs_dim, act_dim, encoder=encoder, decoder=decoder), **overrides)
