// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Run ticks through the C interface and print their bits: `native_tick WEIGHTS CASE PATH`. What a ROS node in C++ does,
// and how one processor's bits are compared with another's.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "mat_ros_native.h"

int main(int count, char** arguments) {
  if (count != 4) return 2;
  std::ifstream file(arguments[2], std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const int* sizes = reinterpret_cast<const int*>(bytes.data());  // the ten integers of mat_ros_network, then ticks
  const float* numbers = reinterpret_cast<const float*>(sizes + 11);
  mat_ros_network net = {};
  memcpy(&net, sizes, 10 * sizeof(int));
  const int ticks = sizes[10], seen = net.agents * net.obs_dim, decided = net.agents * net.act_dim;
  net.clip = *numbers++;
  net.mean = numbers;
  net.std = net.mean + seen;
  net.observed = net.std + seen;
  net.action_mask = net.observed + seen;
  const float* start = net.action_mask + decided;

  char error[512];
  std::ifstream source(arguments[1], std::ios::binary);
  const std::string weights((std::istreambuf_iterator<char>(source)), std::istreambuf_iterator<char>());
  mat_ros_policy* policy =
      mat_ros_open(arguments[1], weights.data(), weights.size(), &net, arguments[3], error, sizeof error);
  if (policy == nullptr) {
    fprintf(stderr, "%s\n", error);
    return 1;
  }
  const size_t start_size = mat_ros_state_size(policy, 0);
  const float* observation = start + start_size;
  const size_t room = (mat_ros_workspace(policy) * sizeof(float) + 63) / 64 * 64;
  float* workspace = static_cast<float*>(aligned_alloc(64, room));
  std::vector<float> enc(net.agents * net.enc_dim), values(net.agents), actions(decided), nothing(net.act_dim);
  std::vector<float> state(mat_ros_state_size(policy, net.agents));
  const auto print = [](const std::vector<float>& array) {
    for (float value : array) {
      uint32_t bits;
      memcpy(&bits, &value, sizeof bits);
      printf("%08x", bits);
    }
    printf("\n");
  };
  for (int tick = 0; tick < ticks; ++tick, observation += seen) {
    mat_ros_encode(policy, workspace, observation, enc.data(), values.data());
    mat_ros_decide(policy, workspace, 0, net.agents, enc.data(), nothing.data(), start, actions.data(), state.data());
    for (const std::vector<float>* array : {&enc, &values, &actions, &state}) print(*array);
  }
  mat_ros_close(policy);
  free(workspace);
  return 0;
}
