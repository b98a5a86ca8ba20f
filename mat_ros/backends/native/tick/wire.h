// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Read and write the messages of the tick in the layouts of mat_ros/core/wire/tick.py.
//
// Whoever has the secret of the launch can send any bytes, so a reader takes no number on trust. Like the readers in
// Python, the readers here accept bytes behind the arrays that they read, and an array that reaches into the tag.
#ifndef MAT_ROS_TICK_WIRE_H_
#define MAT_ROS_TICK_WIRE_H_

#include <vector>

#include "messages.h"
#include "seal.h"

namespace mat_ros::tick {

constexpr size_t kObservationHeader = 52, kEncodingHeader = 48, kBatonHeader = 36, kDecisionHeader = 40;  // bytes
constexpr size_t kManifest = 12;  // place of the policy's hash in every message
constexpr int64_t kSecondNs = 1'000'000'000;

struct Bytes {
  const unsigned char* data;
  size_t size;

  template <class T>
  T get(size_t at) const {
    T value;
    memcpy(&value, data + at, sizeof value);
    return value;
  }

  // Return whether `count` items of a size lie at a place. `at` is at most `size`, and count * item below 2^64.
  bool holds(size_t at, uint64_t count, size_t item) const { return count * item <= size - at; }

  int64_t get_stamp(size_t at) const { return get<int32_t>(at) * kSecondNs + get<uint32_t>(at + 4); }
  Times get_times() const { return {get<uint64_t>(4), get<int64_t>(20), get<int64_t>(28), get_stamp(36)}; }
};

inline bool read_observation(Bytes message, size_t signals, Observation* out) {
  if (message.size < kObservationHeader) return false;
  const uint32_t count = message.get<uint32_t>(48);
  if (count != signals || !message.holds(kObservationHeader, count, sizeof(float))) return false;
  *out = {message.get_times(), {message.data + kObservationHeader, count}};
  return true;
}

inline bool read_encoding(Bytes message, size_t floats, Encoding* out) {
  if (message.size < kEncodingHeader) return false;
  const uint32_t count = message.get<uint32_t>(44);
  if (count != floats || !message.holds(kEncodingHeader, count, sizeof(float))) return false;
  *out = {message.get_times(), {message.data + kEncodingHeader, count}};
  return true;
}

inline bool read_baton(Bytes message, int act_dim, Baton* out) {
  if (message.size < kBatonHeader) return false;
  const int slots = message.get<uint16_t>(28) + 1;
  const uint32_t actions = message.get<uint32_t>(32);
  size_t at = kBatonHeader;
  if (actions != static_cast<uint64_t>(slots) * act_dim || !message.holds(at, actions, sizeof(float))) return false;
  out->actions = {message.data + at, actions};
  at += actions * sizeof(float);
  if (!message.holds(at, 1, sizeof(uint32_t))) return false;
  const uint32_t state = message.get<uint32_t>(at);
  at += sizeof state;
  if (!message.holds(at, state, sizeof(float))) return false;
  out->state = {message.data + at, state};
  at += state * sizeof(float);
  if (!message.holds(at, 1, sizeof(uint32_t))) return false;
  const uint32_t validity = message.get<uint32_t>(at);
  at += sizeof validity;
  if (!message.holds(at, validity, 1)) return false;
  out->validity = message.data + at;
  out->validity_count = validity;
  out->tick = message.get<uint64_t>(4);
  out->source_ns = message.get_stamp(20);
  out->slots = slots;
  out->revision = message.get<uint8_t>(30);
  return true;
}

inline bool read_decision(Bytes message, int act_dim, Decision* out) {
  if (message.size < kDecisionHeader) return false;
  const uint32_t actions = message.get<uint32_t>(36);
  size_t at = kDecisionHeader;
  if (!message.holds(at, actions, sizeof(float))) return false;
  out->actions = {message.data + at, actions};
  at += actions * sizeof(float);
  if (!message.holds(at, 1, sizeof(uint32_t))) return false;
  const uint32_t slots = message.get<uint32_t>(at);
  at += sizeof slots;
  if (actions != uint64_t{slots} * act_dim || !message.holds(at, slots, 1)) return false;
  out->validity = message.data + at;
  out->slots = slots;
  out->tick = message.get<uint64_t>(4);
  out->source_ns = message.get_stamp(20);
  out->first = message.get<uint16_t>(28);
  out->stop = message.get<uint16_t>(30) + 1;
  out->revision = message.get<uint8_t>(32);
  return true;
}

// Return whether a time fits into the seconds of a stamp. A stamp that was read may hold more than a second of
// nanoseconds, so that its time does not fit.
inline bool fits_stamp(int64_t ns) { return ns < (INT64_C(1) << 31) * kSecondNs; }

// Write messages one after the other into the same bytes.
class Writer {
 public:
  // `most` is the size of the longest message in bytes.
  Writer(uint64_t manifest, size_t most) : bytes_(most), manifest_(manifest) {}

  Writer& begin(uint64_t tick) {
    static constexpr unsigned char kLittleEndian[4] = {0, 1, 0, 0};
    at_ = 0;
    put_bytes(kLittleEndian, sizeof kLittleEndian);
    return put(tick).put(manifest_);
  }

  template <class T>
  Writer& put(T value) {
    return put_bytes(&value, sizeof value);
  }

  Writer& put_stamp(int64_t ns) {
    const int64_t rest = (ns % kSecondNs + kSecondNs) % kSecondNs;  // nanoseconds count upwards before 1970 too
    return put(static_cast<int32_t>((ns - rest) / kSecondNs)).put(static_cast<uint32_t>(rest));
  }

  // Write an array with its length in front.
  template <class T>
  Writer& put_array(const T* values, size_t count) {
    return put(static_cast<uint32_t>(count)).put_bytes(values, count * sizeof *values);
  }

  // Write the padding and the tag, and return the size of the message.
  size_t end(const Seal& seal) {
    static constexpr unsigned char kZeros[kTag] = {};
    put_bytes(kZeros, -at_ % 4).put_bytes(kZeros, kTag);
    seal.sign(bytes_.data(), at_);
    return at_;
  }

  const unsigned char* data() const { return bytes_.data(); }

 private:
  Writer& put_bytes(const void* from, size_t size) {
    if (size > 0) memcpy(bytes_.data() + at_, from, size);
    at_ += size;
    return *this;
  }

  std::vector<unsigned char> bytes_;
  uint64_t manifest_;
  size_t at_ = 0;
};

}  // namespace mat_ros::tick

#endif  // MAT_ROS_TICK_WIRE_H_
