// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Decide with a policy bundle from C or C++: open once, then encode once per tick and decide slot after slot.
//
// After mat_ros_open no call allocates, locks or stores anything. A call changes only its workspace and its outputs, so
// threads may share a policy when each thread has its own workspace. A step has the same bits alone and within a longer
// run of slots, in every process, and on every compiled instruction set.
#ifndef MAT_ROS_NATIVE_H_
#define MAT_ROS_NATIVE_H_

#include <stddef.h>

#define MAT_ROS_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

enum mat_ros_mixer {
  MAT_ROS_ATTENTION = 0,
  MAT_ROS_RWKV4 = 4,
  MAT_ROS_RWKV5 = 5,
  MAT_ROS_RWKV6 = 6,
  MAT_ROS_RWKV7 = 7,
  MAT_ROS_NO_MIXER = -1,  // a decoder without input from predecessors
};

// The fields of manifest.yaml that the library needs. mat_ros_open copies the arrays.
typedef struct {
  int encoder, decoder;  // enum mat_ros_mixer
  int bidirectional;     // 1 for a bidirectional RWKV encoder
  int agents, obs_dim, act_dim, width, enc_dim, blocks, heads;
  float clip;                // bound of normalised observations
  const float* mean;         // (agents, obs_dim)
  const float* std;          // (agents, obs_dim)
  const float* observed;     // (agents, obs_dim): 1 where an agent has that observation, 0 where padding
  const float* action_mask;  // (agents, act_dim): 1 where an agent has that action, 0 where padding
} mat_ros_network;

typedef struct mat_ros_policy mat_ros_policy;

// Read the bytes of weights.safetensors, which the caller may free afterwards. The library opens no file, so that it
// runs the bytes whose hash was checked. A refusal names the file `name`. `path` is "auto" or one of mat_ros_paths().
// After a refusal the result is NULL, and `error` holds one sentence.
MAT_ROS_API mat_ros_policy* mat_ros_open(const char* name, const void* weights, size_t size,
                                         const mat_ros_network* network, const char* path, char* error,
                                         size_t error_size);
MAT_ROS_API void mat_ros_close(mat_ros_policy* policy);

// Instruction sets that this processor can run, best first, separated by spaces.
MAT_ROS_API const char* mat_ros_paths(void);
// The instruction set in use.
MAT_ROS_API const char* mat_ros_path(const mat_ros_policy* policy);
// Number of floats in the workspace of encode and decide; the workspace is aligned to 64 bytes.
MAT_ROS_API size_t mat_ros_workspace(const mat_ros_policy* policy);
// Number of floats in the state that enters `slot`.
MAT_ROS_API size_t mat_ros_state_size(const mat_ros_policy* policy, int slot);

// obs (agents, obs_dim) -> enc (agents, enc_dim), values (agents,)
MAT_ROS_API void mat_ros_encode(const mat_ros_policy* policy, float* workspace, const float* obs, float* enc,
                                float* values);
// Decide the slots first .. last - 1: enc (last - first, enc_dim), the action before (act_dim,), the state that enters
// `first` -> actions (last - first, act_dim), the state that enters `last`. state_in and state_out may be the same.
MAT_ROS_API void mat_ros_decide(const mat_ros_policy* policy, float* workspace, int first, int last, const float* enc,
                                const float* previous, const float* state_in, float* actions, float* state_out);

#ifdef __cplusplus
}
#endif

#endif  // MAT_ROS_NATIVE_H_
