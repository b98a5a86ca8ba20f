// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Read float32 tensors by name from a safetensors file, which holds a length, a JSON table of names, and the numbers.
#ifndef MAT_ROS_SAFETENSORS_H_
#define MAT_ROS_SAFETENSORS_H_

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace mat_ros {

// An error of one sentence: expected, got, what to do.
class Refused : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Tensor {
  std::vector<long> shape;
  std::vector<float> values;
};

std::map<std::string, Tensor> read_safetensors(const std::string& file);

}  // namespace mat_ros

#endif  // MAT_ROS_SAFETENSORS_H_
