// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Keep batons that come before the encoding of their tick: for each tick the one of highest rank.
#ifndef MAT_ROS_TICK_AHEAD_H_
#define MAT_ROS_TICK_AHEAD_H_

#include <algorithm>
#include <vector>

#include "decider.h"

namespace mat_ros::tick {

constexpr uint64_t kHorizon = 64;  // ticks: a baton further ahead than this belongs to another run

class Ahead {
 public:
  Ahead(const Decider& decider, int most_slots) : decider_(decider), kept_(kHorizon) {
    for (KeptBaton& baton : kept_) baton.prefix = decider.room(most_slots);
  }

  void add(const Baton& baton) {
    const auto end = kept_.begin() + count_;
    auto place = std::find_if(kept_.begin(), end, [&](const KeptBaton& known) { return known.tick == baton.tick; });
    if (place != end) {
      if (place->ranks_below(baton)) decider_.keep(baton, &*place);
    } else if (count_ < kept_.size()) {
      decider_.keep(baton, &kept_[count_++]);
    } else {  // only before the first encoding, when no tick is known: the lowest tick gives way
      place = std::min_element(kept_.begin(), end, [](const auto& a, const auto& b) { return a.tick < b.tick; });
      if (place->tick < baton.tick) decider_.keep(baton, &*place);
    }
  }

  // Move the baton of a tick to `out`, and return whether there is one. Drop batons that are not of the next ticks.
  bool take(uint64_t tick, KeptBaton* out) {
    bool found = false;
    for (size_t k = 0; k < count_;) {
      const uint64_t after = kept_[k].tick - tick;  // wraps to a large number for earlier ticks
      if (after > 0 && after <= kHorizon && kept_[k].tick > tick) {
        ++k;
        continue;
      }
      if (after == 0) {
        std::swap(kept_[k], *out);
        found = true;
      }
      std::swap(kept_[k], kept_[--count_]);
    }
    return found;
  }

 private:
  const Decider& decider_;
  std::vector<KeptBaton> kept_;  // the first count_ ones are in use
  size_t count_ = 0;
};

}  // namespace mat_ros::tick

#endif  // MAT_ROS_TICK_AHEAD_H_
