// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Wait in rcl_wait for messages, for a time, or for the end.
#ifndef MAT_ROS_NODES_NATIVE_WAITING_H_
#define MAT_ROS_NODES_NATIVE_WAITING_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ends.h"

namespace mat_ros {

class Waiting {
 public:
  explicit Waiting(const Rcl& rcl)
      : rcl_(rcl), set_(rcl.rcl_get_zero_initialized_wait_set()),
        end_(rcl.rcl_get_zero_initialized_guard_condition()) {}
  Waiting(const Waiting&) = delete;
  ~Waiting() {
    if (rcl_.rcl_wait_set_fini(&set_) != RCL_RET_OK) rcl_.rcutils_reset_error();
    if (rcl_.rcl_guard_condition_fini(&end_) != RCL_RET_OK) rcl_.rcutils_reset_error();
  }

  // Return an empty text, or why there can be no wait set.
  std::string open(rcl_context_t* context, size_t subscriptions) {
    if (rcl_.rcl_guard_condition_init(&end_, context, rcl_.rcl_guard_condition_get_default_options()) != RCL_RET_OK ||
        rcl_.rcl_wait_set_init(&set_, subscriptions, 1, 0, 0, 0, 0, context, rcl_.rcutils_get_default_allocator()) !=
            RCL_RET_OK) {
      return rcl_.error();
    }
    return "";
  }

  // Wait at most `timeout_ns`, or without limit where it is negative. Return whether the wait was possible.
  bool wait(const std::vector<std::unique_ptr<Subscription>>& subscriptions, int64_t timeout_ns) {
    bool added = rcl_.rcl_wait_set_clear(&set_) == RCL_RET_OK &&
                 rcl_.rcl_wait_set_add_guard_condition(&set_, &end_, nullptr) == RCL_RET_OK;
    for (const auto& subscription : subscriptions) {
      added = added && rcl_.rcl_wait_set_add_subscription(&set_, subscription->get(), nullptr) == RCL_RET_OK;
    }
    const rcl_ret_t result = added ? rcl_.rcl_wait(&set_, timeout_ns) : RCL_RET_ERROR;
    if (result == RCL_RET_OK || result == RCL_RET_TIMEOUT) return true;
    rcl_.rcutils_reset_error();
    return false;
  }

  // Return whether the subscription of this index had a message in the last wait.
  bool heard(size_t index) const { return set_.subscriptions[index] != nullptr; }

  void end() {
    if (rcl_.rcl_trigger_guard_condition(&end_) != RCL_RET_OK) rcl_.rcutils_reset_error();
  }

 private:
  const Rcl& rcl_;
  rcl_wait_set_t set_;
  rcl_guard_condition_t end_;
};

}  // namespace mat_ros

#endif  // MAT_ROS_NODES_NATIVE_WAITING_H_
