// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
//
// The operator mat_ros::WKV: RWKV-4's recurrence over any number of slots, from a state to a state. One slot is a
// decoder's step; n slots are a causal encoder. All arrays are float32, with the shapes in trt_engines/wkv_plugin.py.
// That module registers the PTX of this file with TensorRT. TensorRT passes a kernel its inputs, then integers, then
// its outputs, which sets the order below.
//
//     scripts/build_wkv_ptx.py         compiles this file to trt_engines/wkv_operator.ptx
#include "wkv4.h"

// One thread for each lane, which is a (batch row, channel); `elements` is lanes times slots.
extern "C" __global__ void mat_ros_wkv(const float* key, const float* value, const float* rate, const float* bonus,
                                       const float* num, const float* den, const float* top, int lanes, int width,
                                       int elements, float* out, float* next_num, float* next_den, float* next_top) {
  const int lane = int(blockIdx.x) * int(blockDim.x) + int(threadIdx.x);
  if (lane >= lanes) return;
  const int channel = lane % width, slots = elements / lanes;
  const float w = rate[channel], u = bonus[channel];
  Average sums;
  sums.num = num[lane];
  sums.den = den[lane];
  sums.top = top[lane];
  long i = long(lane / width) * slots * width + channel;
#pragma unroll 1  // each slot waits for the one before: unrolled, it would be longer and no faster
  for (int t = 0; t < slots; ++t, i += width) {
    const float k = key[i], v = value[i];
    float den_now, top_now;
    out[i] = sums.read(k, v, u, den_now, top_now);
    sums.write(k, v, w);
  }
  next_num[lane] = sums.num;
  next_den[lane] = sums.den;
  next_top[lane] = sums.top;
}

// TensorRT launches the kernel itself. This launcher is for tests, on a GPU or in the emulator.
extern "C" int mat_ros_wkv_launch(const float* key, const float* value, const float* rate, const float* bonus,
                                  const float* num, const float* den, const float* top, int lanes, int width,
                                  int elements, float* out, float* next_num, float* next_den, float* next_top,
                                  int threads, void* stream) {
  const unsigned blocks = unsigned((lanes + threads - 1) / threads);
  MAT_ROS_LAUNCH(mat_ros_wkv, dim3(blocks), dim3(unsigned(threads)), 0, static_cast<cudaStream_t>(stream), key, value,
                 rate, bonus, num, den, top, lanes, width, elements, out, next_num, next_den, next_top);
  return cudaGetLastError();
}
