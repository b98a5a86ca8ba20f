// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Apply a notice about broken joints in the same tick in every node, as mat_ros/core/tick/overrides.py does.
#ifndef MAT_ROS_TICK_NOTICES_H_
#define MAT_ROS_TICK_NOTICES_H_

#include <array>
#include <utility>
#include <vector>

#include "messages.h"

namespace mat_ros::tick {

// What the slots with a broken joint really do.
struct Overrides {
  std::vector<float> shares;      // (n, act_dim): share of each intended action that the joint really does
  std::vector<uint8_t> validity;  // (n,): kHeld or kZero; kOwn where the slot has no override
};

class Notices {
 public:
  Notices(int slots, int act_dim) : act_dim_(act_dim) {
    none_ = {std::vector<float>(static_cast<size_t>(slots) * act_dim), std::vector<uint8_t>(slots, kOwn)};
    kept_.fill({0, none_});
  }

  const Overrides& none() const { return none_; }

  // Store a notice: from a tick on, these overrides hold and no others. Return whether its values are possible.
  bool add(uint64_t tick, int count, const int* slots, const float* shares, const uint8_t* validities) {
    if (count < 0) return false;
    fresh_ = none_;
    for (int k = 0; k < count; ++k) {
      const size_t slot = slots[k], width = act_dim_;  // a negative slot becomes one behind the chain
      const Floats share = {reinterpret_cast<const unsigned char*>(shares + k * width), width};
      if (slot >= fresh_.validity.size() || fresh_.validity[slot] != kOwn ||
          (validities[k] != kHeld && validities[k] != kZero) || !share.finite()) {
        return false;
      }
      fresh_.validity[slot] = validities[k];
      share.copy_to(fresh_.shares.data() + slot * width);
    }
    Notice& oldest = kept_[added_++ % kKept];
    oldest.tick = tick;
    std::swap(oldest.overrides, fresh_);
    return true;
  }

  // Return the overrides of a tick: those of the newest notice whose first tick has come.
  const Overrides& at(uint64_t tick) const {
    const size_t oldest = added_ < kKept ? 0 : added_ - kKept;
    for (size_t k = added_; k-- > oldest;) {
      if (kept_[k % kKept].tick <= tick) return kept_[k % kKept].overrides;
    }
    return none_;
  }

 private:
  static constexpr size_t kKept = 16;  // notices

  struct Notice {
    uint64_t tick;
    Overrides overrides;
  };

  int act_dim_;
  Overrides none_, fresh_;
  std::array<Notice, kKept> kept_;
  size_t added_ = 0;
};

}  // namespace mat_ros::tick

#endif  // MAT_ROS_TICK_NOTICES_H_
