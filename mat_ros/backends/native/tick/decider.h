// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Extend a chain of decisions slot by slot, as mat_ros/core/tick/decide.py does.
#ifndef MAT_ROS_TICK_DECIDER_H_
#define MAT_ROS_TICK_DECIDER_H_

#include <algorithm>
#include <vector>

#include "../policy.h"
#include "aligned.h"
#include "messages.h"
#include "notices.h"

namespace mat_ros::tick {

class Decider {
 public:
  // `start` is the state that enters slot 0.
  Decider(const mat_ros_policy* policy, const float* start)
      : slots(policy->model().net.agents), act_dim(policy->model().net.act_dim), enc_dim(policy->model().net.enc_dim),
        policy_(policy), start_(start, start + state_size(0)), nothing_(act_dim),
        workspace_(aligned_floats(mat_ros_workspace(policy))) {}

  const int slots, act_dim, enc_dim;

  size_t state_size(int slot) const { return mat_ros_state_size(policy_, slot); }

  // Return an empty prefix with room for slots. Its memory is not touched until it is used.
  Prefix room(int most) const {
    return {0, std::unique_ptr<float[]>(new float[static_cast<size_t>(most) * act_dim]),
            std::unique_ptr<float[]>(new float[std::max(state_size(most), state_size(0))]),
            std::unique_ptr<uint8_t[]>(new uint8_t[most])};
  }

  // Make a prefix the empty one that the first slot receives.
  void start(Prefix* prefix) const {
    prefix->slots = 0;
    std::copy(start_.begin(), start_.end(), prefix->state.get());
  }

  void copy(const Prefix& from, Prefix* to) const {
    to->slots = from.slots;
    std::copy_n(from.actions.get(), static_cast<size_t>(from.slots) * act_dim, to->actions.get());
    std::copy_n(from.state.get(), state_size(from.slots), to->state.get());
    std::copy_n(from.validity.get(), from.slots, to->validity.get());
  }

  // Keep a baton that `fits`.
  void keep(const Baton& baton, KeptBaton* to) const {
    to->tick = baton.tick;
    to->source_ns = baton.source_ns;
    to->revision = baton.revision;
    to->prefix.slots = baton.slots;
    baton.actions.copy_to(to->prefix.actions.get());
    baton.state.copy_to(to->prefix.state.get());
    std::copy_n(baton.validity, baton.slots, to->prefix.validity.get());
  }

  // Return whether a received baton of at most `slots` slots has the right sizes and is finite.
  bool fits(const Baton& baton) const {
    return baton.validity_count == static_cast<size_t>(baton.slots) && baton.state.count == state_size(baton.slots) &&
           baton.actions.finite() && baton.state.finite();
  }

  // Return whether actions and state are the same to the bit. The validity is no input of a decision.
  bool same_bits(const Prefix& a, const Prefix& b) const {
    const size_t actions = static_cast<size_t>(a.slots) * act_dim * sizeof(float);
    return a.slots == b.slots && memcmp(a.actions.get(), b.actions.get(), actions) == 0 &&
           memcmp(a.state.get(), b.state.get(), state_size(a.slots) * sizeof(float)) == 0;
  }

  // Decide the slots behind a prefix up to `stop`, from encodings (n, enc_dim). `intended` (n, act_dim) receives the
  // actions of the new slots. Those of the prefix differ where an override describes a broken joint.
  void extend(Prefix* prefix, int stop, const float* enc, Validity how, const Overrides& overrides, float* intended) {
    float* told = prefix->actions.get();
    uint8_t* validity = prefix->validity.get();
    while (prefix->slots < stop) {
      const int first = prefix->slots;
      int last = first;  // one after the next slot with an override, or `stop`
      while (last < stop && overrides.validity[last++] == kOwn) continue;
      const float* previous = first > 0 ? told + static_cast<size_t>(first - 1) * act_dim : nothing_.data();
      float* fresh = intended + static_cast<size_t>(first) * act_dim;
      mat_ros_decide(policy_, workspace_.get(), first, last, enc + static_cast<size_t>(first) * enc_dim, previous,
                     prefix->state.get(), fresh, prefix->state.get());
      std::copy_n(fresh, static_cast<size_t>(last - first) * act_dim, told + static_cast<size_t>(first) * act_dim);
      std::fill(validity + first, validity + last, how);
      if (overrides.validity[last - 1] != kOwn) {
        const size_t at = static_cast<size_t>(last - 1) * act_dim;
        for (int a = 0; a < act_dim; ++a) told[at + a] *= overrides.shares[at + a];
        validity[last - 1] = overrides.validity[last - 1];
      }
      prefix->slots = last;
    }
  }

 private:
  const mat_ros_policy* policy_;
  std::vector<float> start_, nothing_;
  AlignedFloats workspace_;
};

}  // namespace mat_ros::tick

#endif  // MAT_ROS_TICK_DECIDER_H_
