// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Run the tick of one node inside its rclpy process, without the executor and without the interpreter's lock.
//
// A loop has raw subscriptions and publishers of its own on the rcl node of rclpy. It passes messages to a machine of
// mat_ros_tick.h and publishes the machine's messages. The machine's functions come as pointers, so that this library
// does not link the native backend. One lock per loop lets the middleware's threads, the loop's own thread and Python
// take turns with the machine.
#ifndef MAT_ROS_LOOP_H_
#define MAT_ROS_LOOP_H_

#include "../../backends/native/mat_ros_tick.h"

#ifdef __cplusplus
extern "C" {
#endif

// Which thread receives a message, decides and publishes.
enum mat_ros_hearing {
  MAT_ROS_IN_LISTENER,  // the middleware's receiving thread; the machine must not need to be woken
  MAT_ROS_IN_THREAD,    // a thread of the loop in rcl_wait, which also wakes the machine at its time
};

typedef struct mat_ros_loop mat_ros_loop;

typedef struct {
  mat_ros_machine* machine;  // lives longer than the loop
  void (*hear)(mat_ros_machine*, int topic, int slot, const void* data, size_t size, int64_t now_ns, mat_ros_sink,
               void* user);
  void (*poll)(mat_ros_machine*, int64_t now_ns, mat_ros_sink, void* user);
  int64_t (*wake_ns)(const mat_ros_machine*);
  void (*counts)(const mat_ros_machine*, uint64_t* counts);
  void (*notice)(mat_ros_machine*, uint64_t tick, int count, const int* slots, const float* shares,
                 const uint8_t* validities);
} mat_ros_loop_machine;

// What the loop itself counts; each value only grows.
typedef struct {
  uint64_t handled;      // messages that the machine took
  uint64_t handling_ns;  // time of the machine with them, publishing included
  uint64_t unsent;       // messages that the middleware did not take
  uint64_t unwaited;     // failed calls of rcl_wait
} mat_ros_loop_counts;

// Make a loop without topics on `node`, an rcl_node_t. `rclpy` is the file of rclpy's own library, which brings the
// functions of rcl. `system_clock`: ticks are in the time of all hosts, not in the monotonic time of this host.
// After a refusal the result is NULL, and `error` holds one sentence.
MAT_ROS_API mat_ros_loop* mat_ros_loop_open(const char* rclpy, void* node, const mat_ros_loop_machine* machine,
                                            int hearing, int system_clock, char* error, size_t error_size);
// Make the publisher of a topic of the machine, or the subscription of one. `type` is the rosidl type support.
// Return 0, or 1 after a refusal. Call none of these three after mat_ros_loop_begin.
MAT_ROS_API int mat_ros_loop_announce(mat_ros_loop* loop, int topic, const char* name, const void* type, size_t depth,
                                      char* error, size_t error_size);
MAT_ROS_API int mat_ros_loop_hear(mat_ros_loop* loop, int topic, int slot, const char* name, const void* type,
                                  size_t depth, int reliable, char* error, size_t error_size);
// Write the eventfd `bell`, which must not block, whenever the machine has something for its caller.
MAT_ROS_API void mat_ros_loop_ring(mat_ros_loop* loop, int bell);
// Begin to receive. The loop drops every message until it is active. Return 0, or 1 after a refusal.
MAT_ROS_API int mat_ros_loop_begin(mat_ros_loop* loop, char* error, size_t error_size);
// Once a call with 0 has returned, the loop publishes nothing.
MAT_ROS_API void mat_ros_loop_activate(mat_ros_loop* loop, int active);
// Number of other ends that the publisher or the subscription of this name has found.
MAT_ROS_API size_t mat_ros_loop_ends(mat_ros_loop* loop, const char* name);
// Call mat_ros_machine_counts and mat_ros_chain_notice while no message is handled.
MAT_ROS_API void mat_ros_loop_count(mat_ros_loop* loop, mat_ros_loop_counts* own, uint64_t* counts);
MAT_ROS_API void mat_ros_loop_notice(mat_ros_loop* loop, uint64_t tick, int count, const int* slots,
                                     const float* shares, const uint8_t* validities);
// Let a function of mat_ros_collector_* work while no message is handled.
MAT_ROS_API void mat_ros_loop_gather(mat_ros_loop* loop, void (*call)(mat_ros_machine*, mat_ros_gathering*),
                                     mat_ros_gathering* gathering);
// End the loop's thread and destroy its subscriptions and publishers; the rcl node must still exist.
MAT_ROS_API void mat_ros_loop_close(mat_ros_loop* loop);

#ifdef __cplusplus
}
#endif

#endif  // MAT_ROS_LOOP_H_
