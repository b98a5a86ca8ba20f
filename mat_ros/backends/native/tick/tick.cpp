// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// The C interface of the tick: open a machine, pass messages and time to it, read its counts.

#include <string.h>

#include <exception>
#include <memory>
#include <string>

#include "../arithmetic.h"
#include "../mat_ros_tick.h"
#include "../policy.h"
#include "../safetensors.h"
#include "chain.h"
#include "encoder.h"
#include "machine.h"

namespace mat_ros::tick {
namespace {

void check(bool right, const char* what, const std::string& expected, const std::string& got) {
  if (!right) throw Refused(std::string(what) + ": expected " + expected + ", got " + got + "; correct the wiring");
}

void check_node(int64_t period_ns, size_t secret_size) {
  check(period_ns > 0 && period_ns <= Order::kMostPeriodNs, "control period",
        "1 .. " + std::to_string(Order::kMostPeriodNs) + " ns", std::to_string(period_ns));
  check(secret_size <= Blake2b::kMostKey, "secret", "at most " + std::to_string(Blake2b::kMostKey) + " bytes",
        std::to_string(secret_size));
}

class ChainMachine final : public Machine, private Outbox {
 public:
  ChainMachine(const mat_ros_policy* policy, const mat_ros_chain_role& role)
      : Machine(role.manifest, role.secret, role.secret_size, longest(policy)), first_(role.first),
        last_(role.stop - 1),
        node_(policy, role.start,
              {role.first, role.stop, role.mode, role.budget_ns, role.period_ns, role.baton_on_deviation != 0,
               role.backup != 0},
              &counts_, this),
        notices_(node_.decider().slots, node_.decider().act_dim), decision_seal_(make_seal(MAT_ROS_DECISION, 0)),
        baton_seal_(make_seal(MAT_ROS_BATON, role.stop - 1)) {
    receive(MAT_ROS_ENCODING, 0);
    for (int k = 0; k < role.heard_count; ++k) receive(MAT_ROS_BATON, role.heard[k]);
  }

  int64_t wake_ns() const override { return node_.wake_ns(last_now_ns()); }

  bool notice(uint64_t tick, int count, const int* slots, const float* shares, const uint8_t* validities) override {
    return notices_.add(tick, count, slots, shares, validities);
  }

 private:
  static size_t longest(const mat_ros_policy* policy) {
    const mat_ros_network& net = policy->model().net;
    const size_t floats = static_cast<size_t>(net.agents) * net.act_dim + mat_ros_state_size(policy, net.agents);
    return kDecisionHeader + floats * sizeof(float) + net.agents + 4 * sizeof(uint32_t) + kTag;
  }

  bool take(int topic, Bytes message, int64_t now_ns) override {
    const Decider& decider = node_.decider();
    if (topic == MAT_ROS_ENCODING) {
      Encoding encoding;
      if (!read_encoding(message, static_cast<size_t>(decider.slots) * decider.enc_dim, &encoding)) return false;
      node_.share(notices_.at(encoding.times.tick));
      node_.on_encoding(encoding, now_ns);
    } else {
      Baton baton;
      if (!read_baton(message, decider.act_dim, &baton)) return false;
      node_.on_baton(baton, now_ns);
    }
    return true;
  }

  void wake(int64_t now_ns) override { node_.poll(now_ns); }

  void send_baton(const Times& times, int revision, const Prefix& prefix) override {
    const Decider& decider = node_.decider();
    writer_.begin(times.tick).put_stamp(times.source_ns).put(static_cast<uint16_t>(prefix.slots - 1));
    writer_.put(static_cast<uint8_t>(revision)).put(uint8_t{0});
    writer_.put_array(prefix.actions.get(), static_cast<size_t>(prefix.slots) * decider.act_dim);
    writer_.put_array(prefix.state.get(), decider.state_size(prefix.slots));
    writer_.put_array(prefix.validity.get(), prefix.slots);
    publish(MAT_ROS_BATON, baton_seal_);
  }

  void send_decision(const Times& times, int revision, int slots, const float* actions,
                     const uint8_t* validity) override {
    writer_.begin(times.tick).put_stamp(times.source_ns).put(static_cast<uint16_t>(first_));
    writer_.put(static_cast<uint16_t>(last_)).put(static_cast<uint8_t>(revision)).put(uint8_t{0}).put(uint16_t{0});
    writer_.put_array(actions, static_cast<size_t>(slots) * node_.decider().act_dim).put_array(validity, slots);
    publish(MAT_ROS_DECISION, decision_seal_);
  }

  int first_, last_;  // own slots
  ChainNode node_;
  Notices notices_;
  Seal decision_seal_, baton_seal_;
};

class EncoderMachine final : public Machine {
 public:
  EncoderMachine(const mat_ros_policy* policy, const mat_ros_encoder_role& role)
      : Machine(role.manifest, role.secret, role.secret_size, longest(policy)), signals_(role.signals),
        encoder_(policy, role, &counts_), seal_(make_seal(MAT_ROS_ENCODING, 0)) {
    receive(MAT_ROS_OBSERVATION, 0);
  }

 private:
  static size_t longest(const mat_ros_policy* policy) {
    const mat_ros_network& net = policy->model().net;
    return kEncodingHeader + (static_cast<size_t>(net.agents) * (net.enc_dim + 1) + 1) * sizeof(float) + kTag;
  }

  bool take(int, Bytes message, int64_t now_ns) override {
    Observation observation;
    if (!read_observation(message, signals_, &observation)) return false;
    if (!encoder_.encode(observation, now_ns)) return true;
    const Times& times = observation.times;
    if (!fits_stamp(times.source_ns)) return false;
    writer_.begin(times.tick).put(times.start_ns).put(times.deadline_ns).put_stamp(times.source_ns);
    writer_.put_array(encoder_.enc.get(), encoder_.enc_floats).put_array(encoder_.values.get(), encoder_.agents);
    publish(MAT_ROS_ENCODING, seal_);
    return true;
  }

  size_t signals_;
  Encoder encoder_;
  Seal seal_;
};

std::unique_ptr<Machine> open(const mat_ros_policy* policy, const mat_ros_chain_role& role) {
  const int slots = policy->model().net.agents;
  check_node(role.period_ns, role.secret_size);
  check(0 <= role.first && role.first < role.stop && role.stop <= slots, "own slots", "slots of 0 .. " +
        std::to_string(slots), std::to_string(role.first) + " .. " + std::to_string(role.stop));
  check(role.mode == MAT_ROS_STRICT || role.mode == MAT_ROS_OPTIMISTIC ||
        (role.mode == MAT_ROS_BOUNDED && role.budget_ns > 0), "patience",
        "strict, optimistic, or bounded with a positive budget",
        "mode " + std::to_string(role.mode) + ", " + std::to_string(role.budget_ns) + " ns");
  for (int k = 0; k < role.heard_count; ++k) {
    check(0 <= role.heard[k] && role.heard[k] < role.first, "slots whose batons are received",
          "slots before " + std::to_string(role.first), std::to_string(role.heard[k]));
  }
  return std::make_unique<ChainMachine>(policy, role);
}

std::unique_ptr<Machine> open(const mat_ros_policy* policy, const mat_ros_encoder_role& role) {
  const mat_ros_network& net = policy->model().net;
  check_node(role.period_ns, role.secret_size);
  check(role.signals > 0, "measurements", "at least one", std::to_string(role.signals));
  for (size_t k = 0; k < static_cast<size_t>(net.agents) * net.obs_dim; ++k) {
    check(role.index[k] < role.signals, "place of a measurement", "below " + std::to_string(role.signals),
          std::to_string(role.index[k]));
  }
  return std::make_unique<EncoderMachine>(policy, role);
}

}  // namespace
}  // namespace mat_ros::tick

struct mat_ros_machine {
  std::unique_ptr<mat_ros::tick::Machine> machine;
};

namespace {

template <class Role>
mat_ros_machine* open_machine(const mat_ros_policy* policy, const Role* role, char* error, size_t error_size) {
  try {
    return new mat_ros_machine{mat_ros::tick::open(policy, *role)};
  } catch (const std::exception& failure) {
    if (error_size > 0) {
      strncpy(error, failure.what(), error_size - 1);
      error[error_size - 1] = '\0';
    }
    return nullptr;
  }
}

}  // namespace

extern "C" {

mat_ros_machine* mat_ros_chain_open(const mat_ros_policy* policy, const mat_ros_chain_role* role, char* error,
                                    size_t error_size) {
  return open_machine(policy, role, error, error_size);
}

mat_ros_machine* mat_ros_encoder_open(const mat_ros_policy* policy, const mat_ros_encoder_role* role, char* error,
                                      size_t error_size) {
  return open_machine(policy, role, error, error_size);
}

void mat_ros_machine_close(mat_ros_machine* machine) { delete machine; }

void mat_ros_machine_hear(mat_ros_machine* machine, int topic, int slot, const void* data, size_t size, int64_t now_ns,
                          mat_ros_sink sink, void* user) {
  const mat_ros::PlainArithmetic plain;
  machine->machine->hear(topic, slot, {static_cast<const unsigned char*>(data), size}, now_ns, {sink, user});
}

void mat_ros_machine_poll(mat_ros_machine* machine, int64_t now_ns, mat_ros_sink sink, void* user) {
  const mat_ros::PlainArithmetic plain;
  machine->machine->poll(now_ns, {sink, user});
}

int64_t mat_ros_machine_wake_ns(const mat_ros_machine* machine) { return machine->machine->wake_ns(); }

const char* mat_ros_machine_count_names(const mat_ros_machine*) { return mat_ros::tick::kCountNames; }

void mat_ros_machine_counts(const mat_ros_machine* machine, uint64_t* counts) {
  const mat_ros::tick::Counts& found = machine->machine->counts();
  memcpy(counts, found.data(), sizeof found);
}

void mat_ros_chain_notice(mat_ros_machine* machine, uint64_t tick, int count, const int* slots, const float* shares,
                          const uint8_t* validities) {
  mat_ros::tick::Machine& chain = *machine->machine;
  if (!chain.notice(tick, count, slots, shares, validities)) ++chain.counts()[mat_ros::tick::kRefused];
}

}  // extern "C"
