# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Stand in for what neither CI nor most desks can install: objects with the documented contracts of two simulators.

Their physics is a counter. Shapes, dtypes and the conventions of resetting are those of the real things.
"""

from types import SimpleNamespace

import torch

HANDS, OWN, ACTIONS, TASK = 2, 199, 26, 19  # of a door task


class MultiVecTask:
    """As `MultiVecTaskPython` with two agents: auto-reset at the start of the next step, terminal observations."""

    clip_obs, clip_actions = 5.0, 1.0
    rl_device = "cpu"

    def __init__(self, envs, horizon=250, actions=ACTIONS):
        self.num_envs, self.num_agents = envs, HANDS
        self.num_observations = OWN + TASK
        self.action_space = tuple(SimpleNamespace(shape=(actions,)) for _ in range(HANDS))
        self.task = SimpleNamespace(
            max_episode_length=horizon, num_envs=envs, num_actions=actions,
            reset_buf=torch.ones(envs, dtype=torch.long), progress_buf=torch.zeros(envs, dtype=torch.long),
            rew_buf=torch.zeros(envs), obs_buf=torch.zeros(envs, HANDS * OWN + TASK),
            extras={"successes": torch.zeros(envs)}, step=self._step_task)
        self.failing = torch.zeros(envs, dtype=torch.bool)  # set by a test: these copies fail in the coming step

    def _step_task(self, actions):
        task = self.task
        again = task.reset_buf.nonzero(as_tuple=False).squeeze(-1)
        task.progress_buf[again], task.reset_buf[again], task.extras["successes"][again] = 0, 0, 0.0
        task.progress_buf += 1
        task.obs_buf[:] = 0.0
        task.obs_buf[:, 0] = task.progress_buf  # the first hand sees the tick, clipped to 5
        task.obs_buf[:, OWN - ACTIONS:OWN] = actions[:, :ACTIONS]
        task.obs_buf[:, 2 * OWN - ACTIONS:2 * OWN] = actions[:, ACTIONS:]
        task.obs_buf[:, -1] = 9.0  # the task's part: beyond the clip
        task.rew_buf[:] = actions.sum(dim=1)
        task.extras["successes"][actions[:, 0] > 0.5] = 1.0
        task.reset_buf = torch.where(self.failing | (task.progress_buf >= task.max_episode_length), 1, task.reset_buf)

    def _agents(self):
        seen = torch.clamp(self.task.obs_buf, -self.clip_obs, self.clip_obs)
        per_hand = [torch.cat([seen[:, k * OWN:(k + 1) * OWN], seen[:, HANDS * OWN:]], dim=1) for k in range(HANDS)]
        return torch.stack(per_hand, dim=1), torch.stack([seen] * HANDS, dim=1)

    def reset(self):
        self.task.step(0.01 * (1 - 2 * torch.rand(self.num_envs, HANDS * ACTIONS)))
        obs, share = self._agents()
        return obs, share, None

    def step(self, actions):
        assert len(actions) == HANDS
        self.task.step(torch.clamp(torch.hstack(tuple(actions)), -self.clip_actions, self.clip_actions))
        obs, share = self._agents()
        rewards = torch.stack([self.task.rew_buf.unsqueeze(-1)] * HANDS, dim=1)  # (env, agent, 1)
        dones = torch.stack([self.task.reset_buf] * HANDS, dim=1)  # (env, agent), long
        return obs, share, rewards, dones, torch.zeros(HANDS, 0), None


def bidexhands(task, envs, seed):
    """Make what `bidexhands.make` makes."""
    assert task == "ShadowHandDoorOpenOutward", task
    torch.manual_seed(seed)
    return MultiVecTask(envs)


def small(task, envs, seed):
    """Make a door task that does not have the published horizon."""
    return MultiVecTask(envs, horizon=80)


class DirectMarl:
    """As `DirectMARLEnv`: dictionaries by agent, restarts within the step, observations of the new episode."""

    possible_agents = ("right_hand", "left_hand", "referee")
    device = "cpu"
    max_episode_length = 5

    def __init__(self, envs):
        self.num_envs = envs
        self._sizes = {"right_hand": (7, 3), "left_hand": (7, 3), "referee": (4, 1)}
        self.observation_spaces = {a: SimpleNamespace(shape=(obs,)) for a, (obs, _) in self._sizes.items()}
        self.action_spaces = {a: SimpleNamespace(shape=(act,)) for a, (_, act) in self._sizes.items()}
        self.episode_length_buf = torch.zeros(envs, dtype=torch.long)
        self.failing = {agent: torch.zeros(envs, dtype=torch.bool) for agent in self.possible_agents}
        self.seeds, self.given = [], {}

    def _observe(self):
        return {a: self.episode_length_buf[:, None].float().expand(-1, obs).clone() for a, (obs, _) in
                self._sizes.items()}

    def reset(self, seed=None, options=None):
        self.seeds.append(seed)
        self.episode_length_buf[:] = 0
        return self._observe(), {agent: {} for agent in self.possible_agents}

    def step(self, actions):
        for agent, (_, act) in self._sizes.items():
            assert actions[agent].shape == (self.num_envs, act)
            assert actions[agent].dtype == torch.float32
        self.given = actions
        self.episode_length_buf += 1
        terminated = {agent: flags.clone() for agent, flags in self.failing.items()}
        late = self.episode_length_buf >= self.max_episode_length
        rewards = {agent: torch.full((self.num_envs,), float(k)) for k, agent in enumerate(self.possible_agents)}
        all_failed = torch.stack(list(terminated.values())).all(dim=0)
        self.episode_length_buf[all_failed | late] = 0
        return (self._observe(), rewards, terminated, {agent: late.clone() for agent in self.possible_agents},
                {agent: {} for agent in self.possible_agents})
