// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// The kernels for any processor.
#include <stdint.h>
#include <string.h>

#include "model.h"

namespace mat_ros {
namespace scalar {
#include "lanes.h"

#include "kernels.h"

#include "matrix.h"

#include "decide.h"
#include "encode.h"
#include "wkv.h"
}  // namespace scalar

extern const Path kScalar;
const Path kScalar = {"scalar", scalar::encode, scalar::decide, scalar::wkv4};

}  // namespace mat_ros
