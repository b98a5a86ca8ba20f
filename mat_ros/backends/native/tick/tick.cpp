// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// The C interface of the tick: open a machine, pass messages and time to it, read its counts.

#include <string.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <string>

#include "../arithmetic.h"
#include "../mat_ros_tick.h"
#include "../policy.h"
#include "../safetensors.h"
#include "chain.h"
#include "collector_machine.h"
#include "encoder.h"
#include "machine.h"

namespace mat_ros::tick {
namespace {

void check(bool right, const char* what, const std::string& expected, const std::string& got) {
  if (!right) throw Refused(std::string(what) + ": expected " + expected + ", got " + got + "; correct the wiring");
}

void check_secret(size_t secret_size) {
  check(secret_size <= Blake2b::kMostKey, "secret", "at most " + std::to_string(Blake2b::kMostKey) + " bytes",
        std::to_string(secret_size));
}

void check_node(int64_t period_ns, size_t secret_size) {
  check(period_ns > 0 && period_ns <= Order::kMostPeriodNs, "control period",
        "1 .. " + std::to_string(Order::kMostPeriodNs) + " ns", std::to_string(period_ns));
  check_secret(secret_size);
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

std::unique_ptr<Machine> open(const mat_ros_collector_role& role) {
  constexpr int kMost = 1 << 16;  // slots that a message can name
  check_secret(role.secret_size);
  check(role.slots > 0 && role.slots <= kMost && role.act_dim > 0 && role.act_dim <= kMost && role.signals > 0,
        "collector", "slots, actions and measurements", std::to_string(role.slots) + ", " +
        std::to_string(role.act_dim) + " and " + std::to_string(role.signals));
  return std::make_unique<CollectorMachine>(role);
}

}  // namespace
}  // namespace mat_ros::tick

struct mat_ros_machine {
  std::unique_ptr<mat_ros::tick::Machine> machine;
};

namespace {

// `role` holds what one of the functions `open` takes.
template <class... Role>
mat_ros_machine* open_machine(char* error, size_t error_size, const Role&... role) {
  try {
    return new mat_ros_machine{mat_ros::tick::open(role...)};
  } catch (const std::exception& failure) {
    if (error_size > 0) {
      strncpy(error, failure.what(), error_size - 1);
      error[error_size - 1] = '\0';
    }
    return nullptr;
  }
}

// Let a collector work, and write what it holds then.
template <class Work>
void gather(mat_ros_machine* machine, mat_ros_gathering* gathering, Work work) {
  auto* collector = dynamic_cast<mat_ros::tick::CollectorMachine*>(machine->machine.get());
  if (collector == nullptr) return;
  work(*collector);
  const mat_ros::tick::Collector& found = collector->collector;
  gathering->open = found.open();
  gathering->first_ns = collector->first_ns();
  std::copy(found.actions().begin(), found.actions().end(), gathering->actions);
  std::copy(found.validity().begin(), found.validity().end(), gathering->validity);
  std::copy(found.silent().begin(), found.silent().end(), gathering->silent);
}

using Collecting = mat_ros::tick::CollectorMachine;

}  // namespace

extern "C" {

mat_ros_machine* mat_ros_chain_open(const mat_ros_policy* policy, const mat_ros_chain_role* role, char* error,
                                    size_t error_size) {
  return open_machine(error, error_size, policy, *role);
}

mat_ros_machine* mat_ros_encoder_open(const mat_ros_policy* policy, const mat_ros_encoder_role* role, char* error,
                                      size_t error_size) {
  return open_machine(error, error_size, policy, *role);
}

mat_ros_machine* mat_ros_collector_open(const mat_ros_collector_role* role, char* error, size_t error_size) {
  return open_machine(error, error_size, *role);
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

void mat_ros_collector_begin(mat_ros_machine* machine, mat_ros_gathering* gathering) {
  gather(machine, gathering, [&](Collecting& one) {
    one.collector.begin(gathering->tick, gathering->source_ns, gathering->deadline_ns, gathering->now_ns);
  });
}

void mat_ros_collector_begin_again(mat_ros_machine* machine, mat_ros_gathering* gathering) {
  gather(machine, gathering, [](Collecting& one) { one.collector.begin_again(); });
}

void mat_ros_collector_close(mat_ros_machine* machine, mat_ros_gathering* gathering) {
  gather(machine, gathering, [](Collecting& one) { one.collector.close(); });
}

void mat_ros_collector_look(mat_ros_machine* machine, mat_ros_gathering* gathering) {
  gather(machine, gathering, [](Collecting&) {});
}

void mat_ros_collector_take_observation(mat_ros_machine* machine, mat_ros_gathering* gathering) {
  gather(machine, gathering, [&](Collecting& one) {
    gathering->found = one.take_observation(gathering->observation, &gathering->heard_ns);
  });
}

}  // extern "C"
