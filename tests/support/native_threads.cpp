// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Run machines of one policy in several threads: `native_threads WEIGHTS CASE`, with the case of native_tick. Each
// thread has an encoder and the nodes of a chain. The program fails where two threads send different bytes.

#include <stdio.h>
#include <string.h>

#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "mat_ros_tick.h"
#include "tick/wire.h"

namespace {

constexpr int kThreads = 4, kRounds = 20;
constexpr int64_t kPeriodNs = 20'000'000;
const std::string kSecret(32, 's');

std::string read_file(const char* name) {
  std::ifstream file(name, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

struct Message {
  int topic;
  std::string bytes;
};

void keep(void* user, int topic, const void* data, size_t size) {
  static_cast<std::vector<Message>*>(user)->push_back({topic, std::string(static_cast<const char*>(data), size)});
}

void run_ticks(const mat_ros_policy* policy, const mat_ros_network& net, const float* start, const float* observations,
               int ticks, std::string* sent) {
  char error[512];
  const int seen = net.agents * net.obs_dim;
  std::vector<int> index(seen);
  for (int k = 0; k < seen; ++k) index[k] = k;
  const std::vector<double> scale(seen, 1.0), bias(seen, 0.0);
  const mat_ros_encoder_role encoding = {kPeriodNs,    1,    kSecret.data(), kSecret.size(), seen,
                                         index.data(), scale.data(), bias.data(), 1e9f};
  mat_ros_machine* encoder = mat_ros_encoder_open(policy, &encoding, error, sizeof error);
  std::vector<mat_ros_machine*> nodes;
  for (int slot = 0; slot < net.agents; ++slot) {
    const int before = slot - 1;
    const mat_ros_chain_role role = {slot, slot + 1, MAT_ROS_STRICT, 0, kPeriodNs, 0, 0, 1, kSecret.data(),
                                     kSecret.size(), start, &before, slot > 0};
    nodes.push_back(mat_ros_chain_open(policy, &role, error, sizeof error));
  }
  mat_ros::tick::Writer writer(1, mat_ros::tick::kObservationHeader + seen * sizeof(float) + mat_ros::tick::kTag);
  const mat_ros::tick::Seal seal(kSecret, "observation");
  for (int tick = 0; tick < kRounds; ++tick) {
    const int64_t now_ns = (tick + 1) * kPeriodNs;
    writer.begin(tick).put(now_ns).put(now_ns + kPeriodNs).put_stamp(now_ns).put(uint32_t{0});
    writer.put_array(observations + tick % ticks * seen, seen);
    const size_t size = writer.end(seal);
    std::vector<Message> encodings, batons;
    mat_ros_machine_hear(encoder, MAT_ROS_OBSERVATION, 0, writer.data(), size, now_ns, keep, &encodings);
    for (int slot = 0; slot < net.agents; ++slot) {
      const std::vector<Message> heard = batons;
      batons.clear();
      std::vector<Message>* out = &batons;
      for (const Message& message : encodings) {
        mat_ros_machine_hear(nodes[slot], MAT_ROS_ENCODING, 0, message.bytes.data(), message.bytes.size(), now_ns, keep,
                             out);
      }
      for (const Message& message : heard) {
        if (message.topic != MAT_ROS_BATON) continue;
        mat_ros_machine_hear(nodes[slot], MAT_ROS_BATON, slot - 1, message.bytes.data(), message.bytes.size(), now_ns,
                             keep, out);
      }
      for (const Message& message : batons) *sent += message.bytes;
    }
  }
  mat_ros_machine_close(encoder);
  for (mat_ros_machine* node : nodes) mat_ros_machine_close(node);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return 2;
  const std::string weights = read_file(arguments[1]), bytes = read_file(arguments[2]);
  int sizes[11];  // the ten integers of mat_ros_network, then the number of ticks
  memcpy(sizes, bytes.data(), sizeof sizes);
  std::vector<float> numbers((bytes.size() - sizeof sizes) / sizeof(float));
  memcpy(numbers.data(), bytes.data() + sizeof sizes, numbers.size() * sizeof(float));
  mat_ros_network net = {};
  memcpy(&net, sizes, 10 * sizeof(int));
  const int seen = net.agents * net.obs_dim;
  net.clip = numbers[0];
  net.mean = numbers.data() + 1;
  net.std = net.mean + seen;
  net.observed = net.std + seen;
  net.action_mask = net.observed + seen;
  const float* start = net.action_mask + net.agents * net.act_dim;

  char error[512];
  mat_ros_policy* policy =
      mat_ros_open(arguments[1], weights.data(), weights.size(), &net, "auto", error, sizeof error);
  if (policy == nullptr) return 1;
  const float* observations = start + mat_ros_state_size(policy, 0);
  std::vector<std::string> sent(kThreads);
  std::vector<std::thread> threads;
  for (std::string& own : sent) {
    threads.emplace_back(run_ticks, policy, std::cref(net), start, observations, sizes[10], &own);
  }
  for (std::thread& thread : threads) thread.join();
  mat_ros_close(policy);
  for (const std::string& own : sent) {
    if (own.empty() || own != sent[0]) return 3;
  }
  printf("%zu\n", sent[0].size());
  return 0;
}
