// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Count what a machine does, under the names of the Python nodes.
#ifndef MAT_ROS_TICK_COUNTS_H_
#define MAT_ROS_TICK_COUNTS_H_

#include <stdint.h>

#include <array>

namespace mat_ros::tick {

enum Count {
  kForeign, kOtherPolicy, kRefused, kLate, kEarly, kOld, kDuplicate, kAhead, kUndecided, kRedecided, kCorrected,
  kExpired, kNotFinite, kEncoded, kCountsEnd,
};
constexpr const char* kCountNames =
    "foreign other_policy refused late early old duplicate ahead undecided redecided corrected expired not_finite "
    "encoded";

using Counts = std::array<uint64_t, kCountsEnd>;

}  // namespace mat_ros::tick

#endif  // MAT_ROS_TICK_COUNTS_H_
