// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Encode the measurements of a tick, as mat_ros/core/tick/encode.py does.
#ifndef MAT_ROS_TICK_ENCODER_H_
#define MAT_ROS_TICK_ENCODER_H_

#include "../policy.h"
#include "aligned.h"
#include "counts.h"
#include "observer.h"
#include "order.h"

namespace mat_ros::tick {

class Encoder {
 public:
  Encoder(const mat_ros_policy* policy, const mat_ros_encoder_role& role, Counts* counts)
      : agents(policy->model().net.agents), enc_floats(static_cast<size_t>(agents) * policy->model().net.enc_dim),
        enc(aligned_floats(enc_floats)), values(aligned_floats(agents)), policy_(policy),
        obs_floats_(static_cast<size_t>(agents) * policy->model().net.obs_dim), observer_(role, obs_floats_),
        order_(role.period_ns), counts_(*counts), obs_(aligned_floats(obs_floats_)),
        workspace_(aligned_floats(mat_ros_workspace(policy))) {}

  const int agents;
  const size_t enc_floats;
  const AlignedFloats enc, values;  // (n, enc_dim), (n,): results of `encode`

  // Write the encodings and the values, and return whether the observation is in time and finite.
  bool encode(const Observation& observation, int64_t now_ns) {
    const Times& times = observation.times;
    const Turn turn = order_.judge(times.start_ns, times.deadline_ns, now_ns);
    if (turn != Turn::kNew) {
      ++counts_[turn == Turn::kLate ? kLate : turn == Turn::kEarly ? kEarly : kOld];
      return false;
    }
    if (now_ns >= times.deadline_ns) {
      ++counts_[kExpired];
      return false;
    }
    observer_.observe(observation.signals, obs_.get());
    if (!Floats{reinterpret_cast<const unsigned char*>(obs_.get()), obs_floats_}.finite()) {
      ++counts_[kNotFinite];  // the gate handles joints without a decision, the policy receives no NaN
      return false;
    }
    mat_ros_encode(policy_, workspace_.get(), obs_.get(), enc.get(), values.get());
    order_.note(times.start_ns);
    ++counts_[kEncoded];
    return true;
  }

 private:
  const mat_ros_policy* policy_;
  size_t obs_floats_;
  Observer observer_;
  Order order_;
  Counts& counts_;
  AlignedFloats obs_, workspace_;
};

}  // namespace mat_ros::tick

#endif  // MAT_ROS_TICK_ENCODER_H_
