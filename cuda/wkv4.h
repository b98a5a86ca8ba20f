// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
//
// The recurrence of RWKV-4 for one channel. The training kernels (wkv.cu) and the kernel in TensorRT engines
// (wkv_operator.cu) share it.
#pragma once

#include "device.h"

namespace {

constexpr float kNever = -1e30f;

struct Average {  // running sums, scaled by exp(-top)
  float num = 0.0f, den = 0.0f, top = kNever;

  // Add the newest slot with its bonus; return the average, and its scale as (den_now, top_now).
  __device__ float read(float k, float v, float bonus, float& den_now, float& top_now) const {
    const float now = bonus + k;
    top_now = fmaxf(top, now);
    const float old = expf(top - top_now), fresh = expf(now - top_now);
    den_now = old * den + fresh;
    return (old * num + fresh * v) / den_now;
  }

  // Decay all sums by one slot and add the newest slot.
  __device__ void write(float k, float v, float rate) {
    const float faded = top - rate;
    top = fmaxf(faded, k);
    const float old = expf(faded - top), fresh = expf(k - top);
    num = old * num + fresh * v;
    den = old * den + fresh;
  }
};

}  // namespace
