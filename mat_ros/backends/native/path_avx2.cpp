// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// The kernels for AVX2.
#if defined(__x86_64__)

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "model.h"

#pragma GCC target("avx2,fma")  // after all headers of others: theirs stay portable
#define MAT_ROS_AVX2

namespace mat_ros {
namespace avx2 {
#include "lanes.h"

#include "kernels.h"

#include "matrix.h"

#include "decide.h"
#include "encode.h"
#include "wkv.h"
}  // namespace avx2

extern const Path kAvx2;
const Path kAvx2 = {"avx2", avx2::encode, avx2::decide, avx2::wkv4};

}  // namespace mat_ros

#endif  // __x86_64__
