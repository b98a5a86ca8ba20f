// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// An open policy: the model, and the instruction set that runs it.
#ifndef MAT_ROS_POLICY_H_
#define MAT_ROS_POLICY_H_

#include <memory>

#include "loader.h"
#include "mat_ros_native.h"

struct mat_ros_policy {
  std::unique_ptr<mat_ros::LoadedModel> loaded;
  const mat_ros::Path* path;
  const mat_ros::Model& model() const { return loaded->model; }
};

#endif  // MAT_ROS_POLICY_H_
