// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// The kernels for AVX-512.
#if defined(__x86_64__)

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "model.h"

#pragma GCC target("avx512f,avx512dq,avx2,fma")  // after all headers of others: theirs stay portable
#pragma GCC diagnostic ignored "-Wuninitialized"  // a false alarm inside the header of GCC 12, on undefined lanes
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#define MAT_ROS_AVX512

namespace mat_ros {
namespace avx512 {
#include "lanes.h"

#include "kernels.h"

#include "matrix.h"

#include "decide.h"
#include "encode.h"
#include "wkv.h"
}  // namespace avx512

extern const Path kAvx512;
const Path kAvx512 = {"avx512", avx512::encode, avx512::decide, avx512::wkv4};

}  // namespace mat_ros

#endif  // __x86_64__
