// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Build a model from named tensors: check every shape, pad vectors, cut matrices into panels.
#ifndef MAT_ROS_LOADER_H_
#define MAT_ROS_LOADER_H_

#include <memory>
#include <string>
#include <vector>

#include "model.h"
#include "safetensors.h"

namespace mat_ros {

// A model and the memory that it points into.
struct LoadedModel {
  Model model;
  std::vector<AttentionBlock> encoder_attention, decoder_attention;
  std::vector<RwkvBlock> encoder_rwkv, decoder_rwkv;
  std::vector<std::unique_ptr<float[], void (*)(void*)>> memory;
};

std::unique_ptr<LoadedModel> load_model(const File& weights, const mat_ros_network& net);

}  // namespace mat_ros

#endif  // MAT_ROS_LOADER_H_
