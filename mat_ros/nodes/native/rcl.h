// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Call the rcl that rclpy has loaded. The headers give the types, and the functions are found at run time, so that the
// library links no ROS: it uses the one rcl of the process, from the wheels or from apt.
#ifndef MAT_ROS_NODES_NATIVE_RCL_H_
#define MAT_ROS_NODES_NATIVE_RCL_H_

#include <dlfcn.h>
#include <rcl/error_handling.h>
#include <rcl/rcl.h>
#include <rmw/rmw.h>

#include <string>

#define MAT_ROS_RCL_FUNCTIONS(each)                  \
  each(rcl_get_zero_initialized_guard_condition)     \
  each(rcl_get_zero_initialized_publisher)           \
  each(rcl_get_zero_initialized_subscription)        \
  each(rcl_get_zero_initialized_wait_set)            \
  each(rcl_guard_condition_fini)                     \
  each(rcl_guard_condition_get_default_options)      \
  each(rcl_guard_condition_init)                     \
  each(rcl_publish_serialized_message)               \
  each(rcl_publisher_fini)                           \
  each(rcl_publisher_get_default_options)            \
  each(rcl_publisher_get_subscription_count)         \
  each(rcl_publisher_init)                           \
  each(rcl_subscription_fini)                        \
  each(rcl_subscription_get_default_options)         \
  each(rcl_subscription_get_publisher_count)         \
  each(rcl_subscription_init)                        \
  each(rcl_subscription_set_on_new_message_callback) \
  each(rcl_take_serialized_message)                  \
  each(rcl_trigger_guard_condition)                  \
  each(rcl_wait)                                     \
  each(rcl_wait_set_add_guard_condition)             \
  each(rcl_wait_set_add_subscription)                \
  each(rcl_wait_set_clear)                           \
  each(rcl_wait_set_fini)                            \
  each(rcl_wait_set_init)                            \
  each(rcutils_get_default_allocator)                \
  each(rcutils_get_error_string)                     \
  each(rcutils_get_zero_initialized_uint8_array)     \
  each(rcutils_reset_error)                          \
  each(rcutils_uint8_array_fini)                     \
  each(rcutils_uint8_array_init)

namespace mat_ros {

struct Rcl {
#define MAT_ROS_MEMBER(name) decltype(&::name) name = nullptr;
  MAT_ROS_RCL_FUNCTIONS(MAT_ROS_MEMBER)
#undef MAT_ROS_MEMBER

  // Find all functions in a loaded library or in the libraries that it needs. Return an empty text, or what is missing.
  std::string find(const char* library) {
    void* handle = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
    if (!handle) return std::string(library) + ": expected a library that is loaded, got none; import rclpy first";
#define MAT_ROS_FIND(name)                                                                            \
  name = reinterpret_cast<decltype(&::name)>(dlsym(handle, #name));                                   \
  if (!name) {                                                                                        \
    dlclose(handle);                                                                                  \
    return std::string(library) + ": expected " #name ", got none; build mat_ros for this release of ROS"; \
  }
    MAT_ROS_RCL_FUNCTIONS(MAT_ROS_FIND)
#undef MAT_ROS_FIND
    dlclose(handle);  // the process keeps the library, because rclpy stays imported
    return "";
  }

  // Return why the last call failed, and forget it.
  std::string error() const {
    std::string text = rcutils_get_error_string().str;
    rcutils_reset_error();
    return text;
  }
};

}  // namespace mat_ros

#endif  // MAT_ROS_NODES_NATIVE_RCL_H_
