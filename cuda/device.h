// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
//
// Every .cu file of this project includes this file first. It includes the CUDA headers, or nothing where the emulator
// replaces them.
#pragma once

#ifndef MAT_ROS_EMULATED
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <stdint.h>

#define MAT_ROS_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
  kernel<<<grid, block, shared_bytes, stream>>>(__VA_ARGS__)
#define MAT_ROS_DYNAMIC_SHARED(type, name)          \
  extern __shared__ __align__(16) char name##_bytes[]; \
  type* name = reinterpret_cast<type*>(name##_bytes)
#endif
