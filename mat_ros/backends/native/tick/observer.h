// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Build the observation of every agent from measurements, as mat_ros/core/robot/observe.py does.
#ifndef MAT_ROS_TICK_OBSERVER_H_
#define MAT_ROS_TICK_OBSERVER_H_

#include <algorithm>
#include <vector>

#include "../mat_ros_tick.h"
#include "messages.h"

namespace mat_ros::tick {

class Observer {
 public:
  Observer(const mat_ros_encoder_role& role, size_t columns)
      : clip_(role.clip), index_(role.index, role.index + columns), scale_(role.scale, role.scale + columns),
        bias_(role.bias, role.bias + columns) {}

  // Write the observation (agents, obs_dim). Scale and bias are float64, and NumPy rounds after each of the two steps.
  void observe(Floats signals, float* obs) const {
    for (size_t k = 0; k < index_.size(); ++k) {
      float seen = static_cast<float>(bias_[k]);
      if (index_[k] >= 0) {
        seen = static_cast<float>(signals[index_[k]] * scale_[k]);
        seen = static_cast<float>(seen + bias_[k]);
      }
      obs[k] = std::min(std::max(seen, -clip_), clip_);  // NaN stays NaN
    }
  }

 private:
  float clip_;
  std::vector<int> index_;
  std::vector<double> scale_, bias_;
};

}  // namespace mat_ros::tick

#endif  // MAT_ROS_TICK_OBSERVER_H_
