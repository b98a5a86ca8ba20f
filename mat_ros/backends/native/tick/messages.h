// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// The messages of a tick, as mat_ros/core/tick/messages.py defines them.
//
// A message that is read points into the bytes that were received. Their arrays may have any alignment.
#ifndef MAT_ROS_TICK_MESSAGES_H_
#define MAT_ROS_TICK_MESSAGES_H_

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <memory>

namespace mat_ros::tick {

enum Validity : uint8_t { kOwn = 0, kRedone = 1, kHeld = 2, kZero = 3 };

// Numbers within a message.
struct Floats {
  const unsigned char* bytes;
  size_t count;

  float operator[](size_t k) const {
    float value;
    memcpy(&value, bytes + k * sizeof value, sizeof value);
    return value;
  }

  // Return `size` of the numbers.
  Floats part(size_t from, size_t size) const { return {bytes + from * sizeof(float), size}; }

  void copy_to(float* to) const {
    if (count > 0) memcpy(to, bytes, count * sizeof *to);
  }

  bool finite() const {
    constexpr uint32_t kExponent = 0x7f800000;
    bool all = true;
    for (size_t k = 0; k < count; ++k) {
      uint32_t bits;
      memcpy(&bits, bytes + k * sizeof bits, sizeof bits);
      all &= (bits & kExponent) != kExponent;
    }
    return all;
  }
};

// When a tick began, when the gate applies its decisions, and when its oldest value was measured.
struct Times {
  uint64_t tick;
  int64_t start_ns, deadline_ns, source_ns;
};

struct Observation {
  Times times;
  Floats signals;  // (signal,)
};

struct Encoding {
  Times times;
  Floats enc;  // (n, enc_dim)
};

// A baton as it was read. `validity` has `validity_count` bytes.
struct Baton {
  uint64_t tick;
  int64_t source_ns;
  int slots, revision;
  Floats actions, state;
  const unsigned char* validity;
  size_t validity_count;
};

// A decision as it was read.
struct Decision {
  uint64_t tick;
  int64_t source_ns;
  int first, stop;  // the sender owns the slots first .. stop - 1
  int revision;
  size_t slots;
  Floats actions;                 // (slots, act_dim)
  const unsigned char* validity;  // (slots,)
};

// The entries of the slots 0 .. slots - 1 and the state for the next slot, with room for more slots.
struct Prefix {
  int slots = 0;
  std::unique_ptr<float[]> actions, state;  // (slots, act_dim); the policy sets the size of the state
  std::unique_ptr<uint8_t[]> validity;      // (slots,)
};

// A baton that a node keeps.
struct KeptBaton {
  uint64_t tick;
  int64_t source_ns;
  int revision;
  Prefix prefix;

  // Return whether another baton of the same tick replaces this one.
  bool ranks_below(const Baton& other) const {
    return other.slots != prefix.slots ? other.slots > prefix.slots : other.revision > revision;
  }
};

}  // namespace mat_ros::tick

#endif  // MAT_ROS_TICK_MESSAGES_H_
