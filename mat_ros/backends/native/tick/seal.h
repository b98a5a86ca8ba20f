// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Sign the messages of one topic and check them, as mat_ros/core/wire/seal.py does.
#ifndef MAT_ROS_TICK_SEAL_H_
#define MAT_ROS_TICK_SEAL_H_

#include <string>

#include "blake2b.h"

namespace mat_ros::tick {

constexpr size_t kTag = 16;  // bytes at the end of every message

class Seal {
 public:
  // `secret` has at most Blake2b::kMostKey bytes.
  Seal(const std::string& secret, const std::string& topic) : keyed_(secret.data(), secret.size(), kTag) {
    keyed_.update(topic.c_str(), topic.size() + 1);  // with its zero, which ends the name
  }

  // Fill the tag of a message.
  void sign(unsigned char* data, size_t size) const { make_tag(data, size - kTag, data + size - kTag); }

  // Return whether a message ends with the right tag. The time does not depend on the place of a wrong byte.
  bool holds(const unsigned char* data, size_t size) const {
    if (size < kTag) return false;
    unsigned char tag[kTag];
    make_tag(data, size - kTag, tag);
    volatile unsigned char difference = 0;
    for (size_t k = 0; k < kTag; ++k) difference = difference | (tag[k] ^ data[size - kTag + k]);
    return difference == 0;
  }

 private:
  void make_tag(const unsigned char* body, size_t size, unsigned char* tag) const {
    Blake2b state = keyed_;
    state.update(body, size);
    state.finish(tag);
  }

  Blake2b keyed_;  // has taken the secret and the topic
};

}  // namespace mat_ros::tick

#endif  // MAT_ROS_TICK_SEAL_H_
