// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Run the tick of one node from C or C++: messages in, messages out, as bytes with their tags.
//
// A machine is the logic of a chain node, of an encoder, or of the safety gate's collector. It has no thread, no socket
// and no clock. It takes the bytes of a message and the time, and passes the messages to publish to a sink. Its outputs
// have the bits of mat_ros/core/tick/chain.py, encode.py and collect.py. A machine is not thread-safe. Machines may
// share a policy, which must outlive them. After a machine is open, no call allocates memory.
#ifndef MAT_ROS_TICK_H_
#define MAT_ROS_TICK_H_

#include <stdint.h>

#include "mat_ros_native.h"

#ifdef __cplusplus
extern "C" {
#endif

// MAT_ROS_WAKE is no topic: a collector passes it to the sink, without data, when the gate has something to do.
enum mat_ros_topic { MAT_ROS_OBSERVATION, MAT_ROS_ENCODING, MAT_ROS_BATON, MAT_ROS_DECISION, MAT_ROS_WAKE };
enum mat_ros_mode { MAT_ROS_STRICT, MAT_ROS_BOUNDED, MAT_ROS_OPTIMISTIC };

typedef struct mat_ros_machine mat_ros_machine;
// Take a message to publish, whole and sealed. `data` is valid during the call, which must not call the machine.
typedef void (*mat_ros_sink)(void* user, int topic, const void* data, size_t size);

// The place of a node in the chain (mat_ros.core.tick.chain.Role). mat_ros_chain_open copies the arrays.
typedef struct {
  int first, stop;             // the node owns the slots first .. stop - 1
  int mode;                    // enum mat_ros_mode
  int64_t budget_ns;           // bounded mode: how long a slot waits for each slot before it
  int64_t period_ns;           // control period
  int baton_on_deviation;      // 1: send a baton only when successors cannot redecide its content
  int backup;                  // 1: also decide the slots after the node's own
  uint64_t manifest;           // the first 64 bits of the bundle's digest, which every message carries
  const void* secret;          // of the launch; at most 64 bytes
  size_t secret_size;          // 0: the launch has no secret
  const float* start;          // the state that enters slot 0: mat_ros_state_size(policy, 0) floats
  const int* heard;            // last slots of the nodes whose batons this node receives
  int heard_count;
} mat_ros_chain_role;

// How measurements become the observation (mat_ros.core.robot.observe). mat_ros_encoder_open copies the arrays.
typedef struct {
  int64_t period_ns;    // control period
  uint64_t manifest;    // as in mat_ros_chain_role
  const void* secret;
  size_t secret_size;
  int signals;          // number of measurements in an observation
  const int* index;     // (agents, obs_dim): place of the measurement; -1 where a column holds none
  const double* scale;  // (agents, obs_dim)
  const double* bias;   // (agents, obs_dim)
  float clip;           // bound of the observation
} mat_ros_encoder_role;

// What the collector of the safety gate receives (mat_ros.core.tick.collect).
typedef struct {
  int slots, act_dim;  // of the policy
  int signals;         // number of measurements in an observation
  uint64_t manifest;   // as in mat_ros_chain_role
  const void* secret;
  size_t secret_size;
} mat_ros_collector_role;

// Make a machine. After a refusal the result is NULL, and `error` holds one sentence.
MAT_ROS_API mat_ros_machine* mat_ros_chain_open(const mat_ros_policy* policy, const mat_ros_chain_role* role,
                                                char* error, size_t error_size);
MAT_ROS_API mat_ros_machine* mat_ros_encoder_open(const mat_ros_policy* policy, const mat_ros_encoder_role* role,
                                                  char* error, size_t error_size);
MAT_ROS_API mat_ros_machine* mat_ros_collector_open(const mat_ros_collector_role* role, char* error,
                                                    size_t error_size);
MAT_ROS_API void mat_ros_machine_close(mat_ros_machine* machine);

// Take a message of a topic. `slot` is the last slot in the name of a baton's topic, and 0 for the other topics. The
// machine drops a message with a wrong tag or of another policy, and counts it.
MAT_ROS_API void mat_ros_machine_hear(mat_ros_machine* machine, int topic, int slot, const void* data, size_t size,
                                      int64_t now_ns, mat_ros_sink sink, void* user);
// Decide without a baton when the patience is over.
MAT_ROS_API void mat_ros_machine_poll(mat_ros_machine* machine, int64_t now_ns, mat_ros_sink sink, void* user);
// The time at which mat_ros_machine_poll has to be called, or INT64_MAX where a call would change nothing: the machine
// has decided, or its deadline has passed or comes before the end of its patience.
MAT_ROS_API int64_t mat_ros_machine_wake_ns(const mat_ros_machine* machine);

// The names of the counts, separated by spaces, and the counts in the same order.
MAT_ROS_API const char* mat_ros_machine_count_names(const mat_ros_machine* machine);
MAT_ROS_API void mat_ros_machine_counts(const mat_ros_machine* machine, uint64_t* counts);

// Store a notice about broken joints: from `tick` on, these overrides hold and no others. shares (count, act_dim),
// validities (count,). The machine counts a notice with impossible values as refused, and drops it.
MAT_ROS_API void mat_ros_chain_notice(mat_ros_machine* machine, uint64_t tick, int count, const int* slots,
                                      const float* shares, const uint8_t* validities);

// What passes between the gate and its collector. Each call below reads its own part and writes the rest.
typedef struct {
  uint64_t tick;                             // for mat_ros_collector_begin
  int64_t source_ns, deadline_ns, now_ns;    // for mat_ros_collector_begin
  int open;                                  // 0: the command of the tick can be applied, or was
  int found;                                 // 1: mat_ros_collector_take_observation has written an observation
  int64_t first_ns;                          // time of the first decision after the newest observation; 0: none
  int64_t heard_ns;                          // time at which the observation came
  float* actions;                            // (slots, act_dim); NaN where no node decided
  uint8_t* validity;                         // (slots,); 255 where no node decided
  int64_t* silent;                           // (slots,): ticks in a row without the owner's decision
  void* observation;                         // bytes of the message: 52 and four for each measurement
} mat_ros_gathering;

// Begin a tick with the decisions that came before its observation; begin the present tick again, without decisions;
// end the tick, so that later decisions change no action; change nothing.
MAT_ROS_API void mat_ros_collector_begin(mat_ros_machine* collector, mat_ros_gathering* gathering);
MAT_ROS_API void mat_ros_collector_begin_again(mat_ros_machine* collector, mat_ros_gathering* gathering);
MAT_ROS_API void mat_ros_collector_close(mat_ros_machine* collector, mat_ros_gathering* gathering);
MAT_ROS_API void mat_ros_collector_look(mat_ros_machine* collector, mat_ros_gathering* gathering);
// Take the oldest observation that waits. The collector keeps the two newest ones.
MAT_ROS_API void mat_ros_collector_take_observation(mat_ros_machine* collector, mat_ros_gathering* gathering);

#ifdef __cplusplus
}
#endif

#endif  // MAT_ROS_TICK_H_
