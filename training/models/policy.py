# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Encode a tick once, then decide slot after slot, each from its encoding and its predecessors' decisions.

    obs ─ encode ─> enc ─ step(1) ─ step(2) ─ ... ─ step(n)          act:      one pass with carried state
                           a₁,s₁     a₂,s₂                           evaluate: the same in parallel, actions known

Shapes: B batch, n agents (slots), d width. obs (B, n, obs_dim) float, already normalised. actions (B, n, act_dim)
float, or (B, n, 1) long where discrete. Values are (B, n, 1) in the trainer's normalised value space.

Parameter names are a contract: they are the keys of weights.safetensors. `python -m training.models --names mat` prints
the names with their shapes. A fused name (query_key_value, key_value) lists its stacked rows in their order.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from training.models.actions import CategoricalActions, GaussianActions
from training.models.config import Mask, PolicyConfig, policy_config
from training.models.decoder import build_decoder
from training.models.encoder import MixingEncoder
from training.models.layers import Head
from training.models.state import HopLayout

Encode = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]
Step = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]

__all__ = ["Policy", "PolicyConfig", "build_policy", "policy_config"]


class Policy(nn.Module):
    """Offer the one interface of all policies: act, evaluate, values, encode, step.

    `order` (a permutation of the agents, (n,) long) lets the chain run in another order than that of the rows: slot s
    decides agent order[s]. Inputs and outputs stay in agent order. A deployed chain has its rows in slot order already.
    """

    agent_ids: Tensor
    observation_mask: Tensor | None
    action_mask: Tensor | None

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = MixingEncoder(config)
        self.value_head = Head(config.width, 1)
        self.decoder = build_decoder(config)
        self.actions = CategoricalActions(config) if config.discrete else GaussianActions(config)
        self.register_buffer("agent_ids", torch.eye(config.agents), persistent=False)
        self.register_buffer("observation_mask", _as_tensor(config.observation_mask), persistent=False)
        self.register_buffer("action_mask", _as_tensor(config.action_mask), persistent=False)

    # ---- the deployed pair: encode once per tick, step once per slot -------------------------------------------------

    def encode(self, obs: Tensor, order: Tensor | None = None) -> Tensor:
        """Return the encoded joint observation: (B, n, obs_dim) -> (B, n, enc_dim), rows in slot order.

        For MAT-Dec a row is the agent's own observation (with its id where configured): its step reads nothing else.
        """
        rows = self._observe(obs, order)
        return rows if self.config.decoder == "none" else self.encoder(rows)

    def encode_with_values(self, obs: Tensor, order: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the encoding (B, n, enc_dim) and the values (B, n, 1), both in slot order, from one pass."""
        rows = self._observe(obs, order)
        enc = self.encoder(rows)
        return (rows if self.config.decoder == "none" else enc), self.value_head(enc)

    def encode_first(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Return enc and values as if the chain ended after its first n slots: (B, n, obs_dim), for any n <= agents."""
        rows = self._rows(obs, obs.shape[1])
        enc = self.encoder(rows)
        return (rows if self.config.decoder == "none" else enc), self.value_head(enc)

    def step(self, enc_i: Tensor, a_prev: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Compute one slot: (B, enc_dim), (B, action_input_dim), state -> distribution parameters (B, act_dim), state.

        The parameters are means, or logits where discrete. `a_prev` is the predecessor's action as `action_input`
        returns it, with padding zeroed. The first slot receives `start_action` and `initial_state`.
        """
        return self.decoder.step(enc_i, a_prev, state)

    def initial_state(self, batch: int) -> Tensor:
        """Return the state that enters the first slot. `state_layout` describes its parts."""
        layout = self.state_layout()
        shape = layout.shape(batch, slot=0)
        like = self.value_head.out.bias
        if layout.kind != "recurrent":
            return torch.zeros(shape, dtype=like.dtype, device=like.device)
        parts = [like.new_full((part.size,), part.initial) for part in layout.parts]
        return torch.cat(parts).repeat(layout.blocks).expand(shape).clone()

    def start_action(self, batch: int) -> Tensor:
        """Return the first slot's `a_prev`: zeros or, where discrete, a one-hot whose column 0 means start."""
        return self.actions.start(batch, self.value_head.out.bias)

    def action_input(self, actions: Tensor) -> Tensor:
        """Return decided actions as the next slot receives them: unchanged, or one-hot behind the start column."""
        return self.actions.as_input(actions).to(self.value_head.out.bias.dtype)

    def state_layout(self) -> HopLayout:
        """Return the layout of the state: its parts in order, and the floats that hop to each slot."""
        return self.decoder.layout

    # ---- the calls of a trainer --------------------------------------------------------------------------------------

    def act(
        self,
        obs: Tensor,
        deterministic: bool = False,
        available: Tensor | None = None,  # (B, n, choices) bool, discrete only
        generator: torch.Generator | None = None,
        order: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Decide all slots, one step each; return actions, log-probabilities (one per action dimension) and values."""
        with torch.inference_mode():  # cheaper bookkeeping than no_grad, which matters for many small calls
            noise = None if deterministic else self.draw_noise(obs.shape[0], generator)
            actions, log_probs, values = self.decide(obs, noise, available, order)
        # Copies, made outside the block: an inference tensor could not take part in a backward pass.
        return actions.clone(), log_probs.clone(), values.clone()

    def draw_noise(self, batch: int, generator: torch.Generator | None = None) -> Tensor:
        """Return the random numbers of one tick of `decide`, (B, n, act_dim)."""
        return self.actions.noise((batch, self.config.agents), self.value_head.out.bias, generator)

    def decide(
        self,
        obs: Tensor,
        noise: Tensor | None,
        available: Tensor | None = None,
        order: Tensor | None = None,
        encode: Encode | None = None,
        step: Step | None = None,
        share: Tensor | None = None,  # (B, n, act_dim), continuous only
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return actions, log-probabilities and values from given noise (None takes the mean action).

        Compiled forms may replace the two networks. `share` is the part of each action that its joint really does. Each
        slot then receives action * share of the slot before it, and not the intended action. The returned actions and
        their log-probabilities are the intended ones.
        """
        if share is not None and self.config.discrete:
            raise ValueError("expected no share for a discrete policy, got one; a choice cannot be done in part")
        encode, step = encode or self.encode_with_values, step or self.step
        enc, values = encode(obs, order)
        batch, slots = enc.shape[:2]
        mask = self._allowed(available, order, batch)

        deviation = None if noise is None else self.actions.deviation(noise)

        state, a_prev = self.initial_state(batch), self.start_action(batch)
        params, actions = [], []
        share = None if share is None else _to_slots(share, order)
        of_slots = zip(*(_by_slot(x, slots) for x in (enc, deviation, mask, share)), strict=True)
        for enc_i, deviation_i, mask_i, share_i in of_slots:
            params_i, state = step(enc_i, a_prev, state)
            action = self.actions.draw(params_i, deviation_i, mask_i)
            a_prev = self.action_input(action if share_i is None else action * share_i)
            params.append(params_i)
            actions.append(action)

        decided = torch.stack(actions, dim=1)
        log_probs = self.actions.log_prob(torch.stack(params, dim=1), decided, mask)
        return _to_agents(decided, order), _to_agents(log_probs, order), _to_agents(values, order)

    def evaluate(
        self,
        obs: Tensor,
        actions: Tensor,
        available: Tensor | None = None,
        order: Tensor | None = None,
        told: Tensor | None = None,  # as actions
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return log-probabilities, entropy and values of known actions, all slots in parallel.

        `told` is what each slot's successor received. Without `told`, the successors received the actions themselves.
        """
        enc, values = self.encode_with_values(obs, order)
        decided = _to_slots(actions, order)
        params = self.decoder.parallel(enc, self._shifted(decided if told is None else _to_slots(told, order)))
        mask = self._allowed(available, order, enc.shape[0])
        log_probs, entropy = self.actions.log_prob(params, decided, mask), self.actions.entropy(params, mask)
        return _to_agents(log_probs, order), _to_agents(entropy, order), _to_agents(values, order)

    def distribution(self, obs: Tensor, told: Tensor, order: Tensor | None = None) -> Tensor:
        """Return the parameters (means or logits, (B, n, act_dim)) of every slot.

        `told` (B, n, act_dim) is what each slot's successor received: the actions, unless a fault changed them.
        """
        params = self.decoder.parallel(self.encode(obs, order), self._shifted(_to_slots(told, order)))
        return _to_agents(params, order)

    def values(self, obs: Tensor, order: Tensor | None = None) -> Tensor:
        """Return each agent's value, (B, n, 1)."""
        return _to_agents(self.value_head(self.encoder(self._observe(obs, order))), order)

    # ---- agents to slots and back ------------------------------------------------------------------------------------

    def _observe(self, obs: Tensor, order: Tensor | None) -> Tensor:
        if obs.shape[1:] != (self.config.agents, self.config.obs_dim):
            want = f"(batch, {self.config.agents}, {self.config.obs_dim})"
            raise ValueError(f"expected observations of shape {want}, got {tuple(obs.shape)}; pad or stack them")
        return _to_slots(self._rows(obs, self.config.agents), order)

    def _rows(self, obs: Tensor, slots: int) -> Tensor:
        """Return the rows of the first `slots` agents with unobserved columns zeroed, and with ids where configured."""
        if self.observation_mask is not None:
            obs = torch.where(self.observation_mask[:slots], obs, 0.0)
        if self.config.agent_id:
            ids = self.agent_ids[:slots].to(obs.dtype).expand(obs.shape[0], -1, -1)
            obs = torch.cat([obs, ids], dim=-1)
        return obs

    def _allowed(self, available: Tensor | None, order: Tensor | None, batch: int) -> Tensor | None:
        """Return an agent's mask merged with the actions available now, in slot order."""
        if available is not None and not self.config.discrete:
            raise ValueError("expected no available actions for a continuous policy, got some; use action_mask instead")
        mask = self.action_mask
        if mask is not None:
            mask = mask.expand(batch, -1, -1)
        if available is not None:
            mask = available if mask is None else available & mask
        return None if mask is None else _to_slots(mask, order)

    def _shifted(self, told: Tensor) -> Tensor:
        """Return what each slot received from its predecessor: (B, n, ...) -> (B, n, action_input_dim)."""
        start = self.start_action(told.shape[0]).unsqueeze(1)
        return torch.cat([start, self.action_input(told[:, :-1])], dim=1)


def build_policy(config: PolicyConfig) -> Policy:
    """Return a newly initialised policy. Seed torch before for a repeatable one."""
    return Policy(config)


def _as_tensor(mask: Mask | None) -> Tensor | None:
    return None if mask is None else torch.tensor(mask, dtype=torch.bool)


def _by_slot(x: Tensor | None, slots: int) -> tuple[Tensor | None, ...]:
    return (None,) * slots if x is None else x.unbind(1)


def _to_slots(x: Tensor, order: Tensor | None) -> Tensor:
    return x if order is None else x[:, order]


def _to_agents(x: Tensor, order: Tensor | None) -> Tensor:
    return x if order is None else x[:, torch.argsort(order)]
