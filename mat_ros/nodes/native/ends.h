// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Own one publisher or one subscription of serialised messages on an rcl node.
#ifndef MAT_ROS_NODES_NATIVE_ENDS_H_
#define MAT_ROS_NODES_NATIVE_ENDS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "rcl.h"

namespace mat_ros {

constexpr size_t kUsualMessage = 1 << 16;  // bytes; a longer message makes its buffer grow once

// Quality of service as mat_ros/nodes/topics.py defines it for the topics of the tick, none of which is latched.
inline rmw_qos_profile_t quality(size_t depth, bool reliable) {
  rmw_qos_profile_t qos = rmw_qos_profile_default;
  qos.depth = depth;
  qos.reliability = reliable ? RMW_QOS_POLICY_RELIABILITY_RELIABLE : RMW_QOS_POLICY_RELIABILITY_BEST_EFFORT;
  return qos;
}

class Publisher {
 public:
  Publisher(const Rcl& rcl, rcl_node_t* node, std::string name)
      : name_(std::move(name)), rcl_(rcl), node_(node), publisher_(rcl.rcl_get_zero_initialized_publisher()) {}
  Publisher(const Publisher&) = delete;
  ~Publisher() {
    if (open_ && rcl_.rcl_publisher_fini(&publisher_, node_) != RCL_RET_OK) rcl_.rcutils_reset_error();
  }

  // Return an empty text, or why the middleware refuses the publisher.
  std::string open(const rosidl_message_type_support_t* type, size_t depth) {
    rcl_publisher_options_t options = rcl_.rcl_publisher_get_default_options();
    options.qos = quality(depth, true);
    open_ = rcl_.rcl_publisher_init(&publisher_, node_, type, name_.c_str(), &options) == RCL_RET_OK;
    return open_ ? "" : rcl_.error();
  }

  bool publish(const void* data, size_t size) {
    rcl_serialized_message_t message = rcl_.rcutils_get_zero_initialized_uint8_array();
    message.buffer = static_cast<uint8_t*>(const_cast<void*>(data));
    message.buffer_length = message.buffer_capacity = size;
    if (rcl_.rcl_publish_serialized_message(&publisher_, &message, nullptr) == RCL_RET_OK) return true;
    rcl_.rcutils_reset_error();
    return false;
  }

  size_t ends() const {
    size_t count = 0;
    if (rcl_.rcl_publisher_get_subscription_count(&publisher_, &count) != RCL_RET_OK) rcl_.rcutils_reset_error();
    return count;
  }

  const std::string& name() const { return name_; }

 private:
  const std::string name_;
  const Rcl& rcl_;
  rcl_node_t* const node_;
  rcl_publisher_t publisher_;
  bool open_ = false;
};

class Subscription {
 public:
  Subscription(const Rcl& rcl, rcl_node_t* node, std::string name, int topic, int slot)
      : topic(topic), slot(slot), name_(std::move(name)), rcl_(rcl), node_(node),
        subscription_(rcl.rcl_get_zero_initialized_subscription()),
        message_(rcl.rcutils_get_zero_initialized_uint8_array()) {}
  Subscription(const Subscription&) = delete;
  ~Subscription() {
    if (open_ && rcl_.rcl_subscription_fini(&subscription_, node_) != RCL_RET_OK) rcl_.rcutils_reset_error();
    if (message_.buffer && rcl_.rcutils_uint8_array_fini(&message_) != RCUTILS_RET_OK) rcl_.rcutils_reset_error();
  }

  // Return an empty text, or why the middleware refuses the subscription.
  std::string open(const rosidl_message_type_support_t* type, size_t depth, bool reliable) {
    const rcutils_allocator_t allocator = rcl_.rcutils_get_default_allocator();
    if (rcl_.rcutils_uint8_array_init(&message_, kUsualMessage, &allocator) != RCUTILS_RET_OK) return rcl_.error();
    rcl_subscription_options_t options = rcl_.rcl_subscription_get_default_options();
    options.qos = quality(depth, reliable);
    open_ = rcl_.rcl_subscription_init(&subscription_, node_, type, name_.c_str(), &options) == RCL_RET_OK;
    return open_ ? "" : rcl_.error();
  }

  // Take the next message into the buffer; return whether there was one.
  bool take() {
    rmw_message_info_t info;
    if (rcl_.rcl_take_serialized_message(&subscription_, &message_, &info, nullptr) == RCL_RET_OK) return true;
    rcl_.rcutils_reset_error();
    return false;
  }

  const void* data() const { return message_.buffer; }
  size_t size() const { return message_.buffer_length; }

  // Call a function in the middleware's thread at each new message; nullptr ends this. No call is running when the
  // second form returns.
  bool call(rcl_event_callback_t function, const void* user) {
    if (rcl_.rcl_subscription_set_on_new_message_callback(&subscription_, function, user) == RCL_RET_OK) return true;
    return false;
  }

  size_t ends() const {
    size_t count = 0;
    if (rcl_.rcl_subscription_get_publisher_count(&subscription_, &count) != RCL_RET_OK) rcl_.rcutils_reset_error();
    return count;
  }

  const std::string& name() const { return name_; }
  const rcl_subscription_t* get() const { return &subscription_; }

  const int topic, slot;  // of mat_ros_machine_hear

 private:
  const std::string name_;
  const Rcl& rcl_;
  rcl_node_t* const node_;
  rcl_subscription_t subscription_;
  rcl_serialized_message_t message_;
  bool open_ = false;
};

}  // namespace mat_ros

#endif  // MAT_ROS_NODES_NATIVE_ENDS_H_
