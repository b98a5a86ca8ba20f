// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Run the collector of the safety gate as a machine. It keeps the observations for the gate, which begins the ticks.
#ifndef MAT_ROS_TICK_COLLECTOR_MACHINE_H_
#define MAT_ROS_TICK_COLLECTOR_MACHINE_H_

#include <algorithm>
#include <array>
#include <vector>

#include "collector.h"
#include "machine.h"

namespace mat_ros::tick {

class CollectorMachine final : public Machine {
 public:
  explicit CollectorMachine(const mat_ros_collector_role& role)
      : Machine(role.manifest, role.secret, role.secret_size, 0), collector(role.slots, role.act_dim, &counts_),
        act_dim_(role.act_dim), signals_(role.signals) {
    for (Waiting& one : waiting_) one.bytes.resize(kObservationHeader + signals_ * sizeof(float));
    receive(MAT_ROS_OBSERVATION, 0);
    receive(MAT_ROS_DECISION, 0);
  }

  Collector collector;

  // Copy the oldest observation that waits, and return whether there is one.
  bool take_observation(void* bytes, int64_t* heard_ns) {
    if (count_ == 0) return false;
    const Waiting& oldest = waiting_[(next_ + kMost - count_--) % kMost];
    std::copy(oldest.bytes.begin(), oldest.bytes.end(), static_cast<unsigned char*>(bytes));
    *heard_ns = oldest.heard_ns;
    return true;
  }

  // Return the time of the first decision after the newest observation; 0 where there was none.
  int64_t first_ns() const { return first_ns_; }

 private:
  static constexpr size_t kMost = 2;  // observations that wait, as the topic keeps: the gate needs only the newest ones

  struct Waiting {
    std::vector<unsigned char> bytes;  // without the tag
    int64_t heard_ns;
  };

  bool take(int topic, Bytes message, int64_t now_ns) override {
    if (topic == MAT_ROS_OBSERVATION) {
      Observation observation;
      if (!read_observation(message, signals_, &observation)) return false;
      Waiting& newest = waiting_[next_++ % kMost];
      std::copy_n(message.data, newest.bytes.size(), newest.bytes.begin());
      newest.heard_ns = now_ns;
      count_ = std::min(count_ + 1, kMost);
      first_ns_ = 0;
      wake_caller();
      return true;
    }
    Decision decision;
    if (!read_decision(message, act_dim_, &decision)) return false;
    if (first_ns_ == 0) first_ns_ = now_ns;
    if (collector.hear(decision, now_ns)) wake_caller();
    return true;
  }

  int act_dim_;
  size_t signals_;
  std::array<Waiting, kMost> waiting_;
  size_t next_ = 0, count_ = 0;  // place of the next observation, and number of those that wait
  int64_t first_ns_ = 0;
};

}  // namespace mat_ros::tick

#endif  // MAT_ROS_TICK_COLLECTOR_MACHINE_H_
