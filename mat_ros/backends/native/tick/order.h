// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Tell a new tick from one that is late or of another clock, as mat_ros/core/tick/order.py does for lock-step ticks.
#ifndef MAT_ROS_TICK_ORDER_H_
#define MAT_ROS_TICK_ORDER_H_

#include <stdint.h>

#include <algorithm>

namespace mat_ros::tick {

// Return the difference a - b, or the nearest number: a message may hold any times.
inline int64_t minus(int64_t a, int64_t b) {
  int64_t difference;
  if (__builtin_sub_overflow(a, b, &difference)) return a < b ? INT64_MIN : INT64_MAX;
  return difference;
}

enum class Turn { kNew, kLate, kEarly, kOld };

class Order {
 public:
  static constexpr int64_t kPeriods = 50, kLeastAgeNs = 2'000'000'000;
  static constexpr int64_t kMostPeriodNs = INT64_MAX / kPeriods - 1;

  explicit Order(int64_t period_ns) : ahead_ns_(period_ns), age_ns_(std::max(kPeriods * period_ns, kLeastAgeNs)) {}

  // Return what a tick is. `note` makes it the newest one.
  Turn judge(int64_t start_ns, int64_t deadline_ns, int64_t now_ns) const {
    if (minus(start_ns, now_ns) > ahead_ns_) return Turn::kEarly;
    const int64_t length_ns = minus(deadline_ns, start_ns);
    if (minus(now_ns, start_ns) > age_ns_ || length_ns <= 0 || length_ns > age_ns_) return Turn::kOld;
    if (!any_ || minus(newest_ns_, now_ns) > ahead_ns_) return Turn::kNew;  // also after the clock was set back
    return start_ns > newest_ns_ ? Turn::kNew : Turn::kLate;
  }

  void note(int64_t start_ns) {
    newest_ns_ = start_ns;
    any_ = true;
  }

 private:
  int64_t ahead_ns_, age_ns_;
  int64_t newest_ns_ = 0;  // start of the newest tick, where there is any
  bool any_ = false;
};

}  // namespace mat_ros::tick

#endif  // MAT_ROS_TICK_ORDER_H_
