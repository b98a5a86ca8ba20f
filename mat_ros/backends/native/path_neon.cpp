// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// The kernels for NEON.
#if defined(__aarch64__)

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#include "model.h"

#define MAT_ROS_NEON

namespace mat_ros {
namespace neon {
#include "lanes.h"

#include "kernels.h"

#include "matrix.h"

#include "decide.h"
#include "encode.h"
#include "wkv.h"
}  // namespace neon

extern const Path kNeon;
const Path kNeon = {"neon", neon::encode, neon::decide, neon::wkv4};

}  // namespace mat_ros

#endif  // __aarch64__
