// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Memory for the kernels.
#ifndef MAT_ROS_TICK_ALIGNED_H_
#define MAT_ROS_TICK_ALIGNED_H_

#include <stdlib.h>

#include <memory>
#include <new>

namespace mat_ros::tick {

struct Free {
  void operator()(void* memory) const { free(memory); }
};
using AlignedFloats = std::unique_ptr<float[], Free>;

// Return room for floats that begins on a cache line.
inline AlignedFloats aligned_floats(size_t count) {
  constexpr size_t kLine = 64;  // bytes
  void* memory = aligned_alloc(kLine, (count * sizeof(float) / kLine + 1) * kLine);
  if (memory == nullptr) throw std::bad_alloc();
  return AlignedFloats(static_cast<float*>(memory));
}

}  // namespace mat_ros::tick

#endif  // MAT_ROS_TICK_ALIGNED_H_
