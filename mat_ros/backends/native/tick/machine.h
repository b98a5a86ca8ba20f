// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// What all machines share: they check the seal and the policy of a message, as mat_ros/nodes/shell.py
// does, count what they drop, and sign what they send.
#ifndef MAT_ROS_TICK_MACHINE_H_
#define MAT_ROS_TICK_MACHINE_H_

#include <string>
#include <utility>
#include <vector>

#include "../mat_ros_tick.h"
#include "counts.h"
#include "wire.h"

namespace mat_ros::tick {

// The receiver of the messages that a call makes.
struct Sink {
  mat_ros_sink take;
  void* user;
};

inline std::string topic_name(int topic, int slot) {
  switch (topic) {
    case MAT_ROS_OBSERVATION: return "observation";
    case MAT_ROS_ENCODING: return "encoding";
    case MAT_ROS_DECISION: return "decision";
    default: return "baton/slot_" + std::to_string(slot);
  }
}

class Machine {
 public:
  Machine(uint64_t manifest, const void* secret, size_t secret_size, size_t longest)
      : writer_(manifest, longest), manifest_(manifest), secret_(static_cast<const char*>(secret), secret_size) {}
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;
  virtual ~Machine() = default;

  void hear(int topic, int slot, Bytes message, int64_t now_ns, Sink sink) {
    const Seal* seal = find_seal(topic, slot);
    sink_ = sink;
    now_ns_ = now_ns;
    if (seal == nullptr || !seal->holds(message.data, message.size)) {
      ++counts_[kForeign];
    } else if (message.size < kManifest + sizeof manifest_ || message.get<uint64_t>(kManifest) != manifest_) {
      ++counts_[kOtherPolicy];
    } else if (!take(topic, message, now_ns)) {
      ++counts_[kRefused];
    }
  }

  void poll(int64_t now_ns, Sink sink) {
    sink_ = sink;
    now_ns_ = now_ns;
    wake(now_ns);
  }

  // Return the time at which `poll` has to be called, and INT64_MAX where the machine waits for nothing.
  virtual int64_t wake_ns() const { return INT64_MAX; }
  // Store a notice about broken joints, and return whether its values are possible.
  virtual bool notice(uint64_t, int, const int*, const float*, const uint8_t*) { return false; }

  Counts& counts() { return counts_; }

 protected:
  // Take a message of this launch and policy, and return whether it could be read.
  virtual bool take(int topic, Bytes message, int64_t now_ns) = 0;
  virtual void wake(int64_t) {}

  void receive(int topic, int slot) { received_.emplace_back(std::make_pair(topic, slot), make_seal(topic, slot)); }
  Seal make_seal(int topic, int slot) const { return Seal(secret_, topic_name(topic, slot)); }

  // Sign the message in the writer and send it.
  void publish(int topic, const Seal& seal) {
    const size_t size = writer_.end(seal);
    sink_.take(sink_.user, topic, writer_.data(), size);
  }

  // Tell the caller of this call that the machine has something for it.
  void wake_caller() { sink_.take(sink_.user, MAT_ROS_WAKE, nullptr, 0); }

  int64_t last_now_ns() const { return now_ns_; }

  Counts counts_ = {};
  Writer writer_;

 private:
  const Seal* find_seal(int topic, int slot) const {
    for (const auto& [ends, seal] : received_) {
      if (ends == std::make_pair(topic, slot)) return &seal;
    }
    return nullptr;
  }

  uint64_t manifest_;
  std::string secret_;
  std::vector<std::pair<std::pair<int, int>, Seal>> received_;  // by topic and slot
  Sink sink_ = {};
  int64_t now_ns_ = INT64_MIN;  // time of the last call
};

}  // namespace mat_ros::tick

#endif  // MAT_ROS_TICK_MACHINE_H_
