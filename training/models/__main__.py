# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Print what each policy costs: parameters, bytes of state per hop, operations per step and per tick.

    python -m training.models --agents 6 --obs-dim 13 --act-dim 1
    python -m training.models --names marwkv4      the parameters by name and shape, as weights.safetensors holds them

A multiplication and an addition count as two operations. The count covers matrix products, the products of attention
with its keys and values, and the reading and writing of a matrix memory. It leaves out norms, gates and exponentials,
which are a small rest.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from torch import nn

from training.models.config import MIXERS_OF, policy_config
from training.models.decoder import IndependentDecoder
from training.models.policy import Policy, build_policy
from training.models.rwkv6 import TimeMix6

# Published counts of parameters for observation 13, action 1, width 64, one block. The counts of NEVER_USED belong to
# layers that the published code never calls.
PUBLISHED = {"mat": 80_641, "mat_dec": 38_529, "marwkv4": 121_217}
NEVER_USED = {"mat": 3_428, "mat_dec": 2_506, "marwkv4": 3_428}
PUBLISHED_SIZES = (13, 1, 64, 1)
FLOAT_BYTES = 4


@dataclass(frozen=True)
class Cost:
    """Hold the costs of one policy at given sizes."""

    parameters: int
    first_hop_bytes: int  # state from slot 0 to slot 1
    last_hop_bytes: int  # state into the last slot
    encode_flops: int
    last_step_flops: int
    tick_flops: int


def cost(policy: Policy) -> Cost:
    """Return the costs. Count the layers themselves, so that the table cannot disagree with the model."""
    agents, layout = policy.config.agents, policy.state_layout()
    steps = [_dense_flops(policy.decoder) + _memory_flops(policy, slot, step=True) for slot in range(agents)]
    encode = 0 if isinstance(policy.decoder, IndependentDecoder) else _encode_flops(policy)
    return Cost(
        parameters=sum(parameter.numel() for parameter in policy.parameters()),
        first_hop_bytes=FLOAT_BYTES * layout.floats_into(min(1, agents - 1)),
        last_hop_bytes=FLOAT_BYTES * layout.floats_into(agents - 1),
        encode_flops=encode,
        last_step_flops=steps[-1],
        tick_flops=encode + sum(steps),
    )


def _dense_flops(module: nn.Module) -> int:
    products = [layer.weight for layer in module.modules() if isinstance(layer, nn.Linear)]
    products += [layer.look_up for layer in module.modules() if isinstance(layer, TimeMix6)]
    return sum(2 * weight.numel() for weight in products)


def _encode_flops(policy: Policy) -> int:
    slots = range(policy.config.agents)
    return len(slots) * _dense_flops(policy.encoder) + sum(_memory_flops(policy, slot, step=False) for slot in slots)


def _memory_flops(policy: Policy, slot: int, *, step: bool) -> int:
    """Return the operations of slot `slot` on the slots that it attends to, in the decoder (step) or in the encoder."""
    config = policy.config
    mixer = config.decoder if step else config.encoder
    if mixer == "attention":
        seen, attentions = (slot + 1, 2) if step else (config.agents, 1)
        return config.blocks * attentions * 4 * seen * config.width
    matrix = config.width * config.width // config.heads
    per_block = {"rwkv5": 3 * 2 * matrix, "rwkv6": 3 * 2 * matrix, "rwkv7": 5 * 2 * matrix}  # read, fade, write; edit
    return config.blocks * per_block.get(mixer, 0)


def print_table(agents: int, obs_dim: int, act_dim: int, width: int, blocks: int, heads: int) -> None:
    """Print one row per policy."""
    print(f"agents {agents}, observation {obs_dim}, action {act_dim}, width {width}, blocks {blocks}, heads {heads}\n")
    titles = ("policy", "parameters", "published", "hop 1 B", "last hop B", "encode kFLOP", "step kFLOP", "tick kFLOP")
    print(" ".join(f"{title:>12}" for title in titles))
    for name in MIXERS_OF:
        config = policy_config(name, agents, obs_dim, act_dim, width=width, blocks=blocks, heads=heads)
        counted = cost(build_policy(config))
        known = PUBLISHED.get(name) if (obs_dim, act_dim, width, blocks) == PUBLISHED_SIZES else None
        flops = (counted.encode_flops, counted.last_step_flops, counted.tick_flops)
        hops = (counted.first_hop_bytes, counted.last_hop_bytes)
        cells = [name, counted.parameters, known or "-", *hops, *(f"{count / 1e3:.1f}" for count in flops)]
        print(" ".join(f"{cell:>12}" for cell in cells))
        if known is not None and counted.parameters != known - NEVER_USED[name]:
            raise SystemExit(f"expected {known - NEVER_USED[name]} parameters for {name}, got {counted.parameters}")
    print("\npublished: counts of the published code, which holds layers that it never calls (MAT, MARWKV v4: 3428,")
    print("MAT-Dec: 2506); ours leave them out. Attention's hop grows by one row per slot, RWKV's is constant.")


def print_names(name: str, agents: int, obs_dim: int, act_dim: int, width: int, blocks: int, heads: int) -> None:
    """Print every parameter of one policy: its key in weights.safetensors and its shape."""
    policy = build_policy(policy_config(name, agents, obs_dim, act_dim, width=width, blocks=blocks, heads=heads))
    for key, parameter in policy.named_parameters():
        print(f"{key:52} {tuple(parameter.shape)}")
    print(f"\nstate ({policy.state_layout().kind}), offsets within a row:")
    for part, (start, end) in policy.state_layout().offsets().items():
        print(f"  {part:20} [{start}, {end})")


def main(argv: list[str] | None = None) -> None:
    """Parse the sizes and print."""
    parser = argparse.ArgumentParser(prog="python -m training.models", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--agents", type=int, default=6)
    parser.add_argument("--obs-dim", type=int, default=13)
    parser.add_argument("--act-dim", type=int, default=1)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=1)
    parser.add_argument("--heads", type=int, default=1)
    parser.add_argument("--names", choices=tuple(MIXERS_OF), help="print one policy's parameters instead of the table")
    given = parser.parse_args(argv)
    sizes = (given.agents, given.obs_dim, given.act_dim, given.width, given.blocks, given.heads)
    if given.names:
        print_names(given.names, *sizes)
    else:
        print_table(*sizes)


if __name__ == "__main__":
    main()
