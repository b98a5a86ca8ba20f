// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// The C interface: open a policy, choose an instruction set, run the policy.

#include <string.h>

#include <algorithm>
#include <exception>
#include <string>
#include <vector>

#include "arithmetic.h"
#include "policy.h"

namespace mat_ros {

extern const Path kScalar;
#if defined(__x86_64__)
extern const Path kAvx512, kAvx2;
#elif defined(__aarch64__)
extern const Path kNeon;
#endif

namespace {

std::vector<const Path*> runnable_paths() {
  std::vector<const Path*> paths;
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) paths.push_back(&kAvx512);
  if (avx2) paths.push_back(&kAvx2);
#elif defined(__aarch64__)
  paths.push_back(&kNeon);
#endif
  paths.push_back(&kScalar);
  return paths;
}

const Path* find_path(const std::string& name) {
  const std::vector<const Path*> paths = runnable_paths();
  for (const Path* path : paths) {
    if (name == "auto" || name == path->name) return path;
  }
  throw Refused(std::string("instruction set: expected auto or one of ") + mat_ros_paths() + ", got " + name +
                "; choose one that this processor has");
}

size_t workspace_floats(const Model& model) {
  const mat_ros_network& net = model.net;
  const size_t n = padded(net.agents), d = padded(net.width), seen = padded(model.observer.width);
  const size_t memory = d * padded(net.width / net.heads);  // floats of the memory of one matrix mixer
  const size_t encode = n * (seen + 12 * d + 3 * kLanes) + 40 * d + memory;
  const size_t decide = 40 * d + n + 3 * std::max({d, seen, static_cast<size_t>(padded(net.act_dim))});
  return std::max(encode, decide) + 64 * kLanes;
}

}  // namespace

const Path& best_path() {
  static const Path& best = *runnable_paths().front();
  return best;
}

}  // namespace mat_ros

extern "C" {

mat_ros_policy* mat_ros_open(const char* name, const void* weights, size_t size, const mat_ros_network* network,
                             const char* path, char* error, size_t error_size) {
  try {
    const mat_ros::Path* chosen = mat_ros::find_path(path);
    return new mat_ros_policy{mat_ros::load_model({name, static_cast<const char*>(weights), size}, *network), chosen};
  } catch (const std::exception& failure) {
    if (error_size > 0) {
      strncpy(error, failure.what(), error_size - 1);
      error[error_size - 1] = '\0';
    }
    return nullptr;
  }
}

void mat_ros_close(mat_ros_policy* policy) { delete policy; }

const char* mat_ros_paths(void) {
  static const std::string names = [] {
    std::string all;
    for (const mat_ros::Path* path : mat_ros::runnable_paths()) {
      all += (all.empty() ? "" : " ") + std::string(path->name);
    }
    return all;
  }();
  return names.c_str();
}

const char* mat_ros_path(const mat_ros_policy* policy) { return policy->path->name; }

size_t mat_ros_workspace(const mat_ros_policy* policy) { return mat_ros::workspace_floats(policy->model()); }

size_t mat_ros_state_size(const mat_ros_policy* policy, int slot) {
  const size_t row = policy->model().state_row;
  return policy->model().net.decoder == MAT_ROS_ATTENTION ? slot * row : row;
}

void mat_ros_encode(const mat_ros_policy* policy, float* workspace, const float* obs, float* enc, float* values) {
  const mat_ros::PlainArithmetic plain;
  policy->path->encode(policy->model(), workspace, obs, enc, values);
}

void mat_ros_decide(const mat_ros_policy* policy, float* workspace, int first, int last, const float* enc,
                    const float* previous, const float* state_in, float* actions, float* state_out) {
  const mat_ros::PlainArithmetic plain;
  policy->path->decide(policy->model(), workspace, first, last, enc, previous, state_in, actions, state_out);
}

}  // extern "C"
