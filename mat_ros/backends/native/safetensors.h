// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Read float32 tensors by name from the bytes of a safetensors file: a length, a JSON table of names, and the numbers.
#ifndef MAT_ROS_SAFETENSORS_H_
#define MAT_ROS_SAFETENSORS_H_

#include <stddef.h>

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

// Bytes that the caller owns, and the name of their file, which a refusal names.
struct File {
  std::string name;
  const char* bytes;
  size_t size;
};

std::map<std::string, Tensor> read_safetensors(const File& file);

}  // namespace mat_ros

#endif  // MAT_ROS_SAFETENSORS_H_
