// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
//
// Decide a whole tick of a MARWKV-4 policy (one block, width 64) in one launch. A thread block reads the decoder's
// weights once. It then runs all slots of one environment after the other, and keeps the state between slots in
// registers and shared memory. mat_ros/backends/fused_decode.py packs the weights and defines their order.
//
// Four threads share a row of each 64 x 64 matrix. Each of them holds sixteen weights in registers. The two matrices of
// the channel mixer lie in shared memory. A thread below 64 also owns a channel, with its parameters and running state.
#include "device.h"

namespace {

constexpr int kWidth = 64;
constexpr int kHidden = 4 * kWidth;
constexpr int kThreads = 256;
constexpr int kPerRow = kThreads / kWidth;   // threads that share a row
constexpr int kInputs = kWidth / kPerRow;    // inputs of each thread
constexpr int kMaxActions = 16;
constexpr int kRowStride = kWidth + 4;       // of rows in shared memory; four floats of padding avoid bank conflicts
constexpr int kHiddenStride = kHidden + 4;
constexpr float kNever = -1e30f;
constexpr int kUnsupported = -1;

constexpr int kSharedFloats = kHidden * kRowStride + kWidth * kHiddenStride + 2 * kMaxActions * kWidth + 8 * kWidth +
                              kHidden + kMaxActions + 2 * kMaxActions;

__device__ __forceinline__ float sum_of_row(float part) {  // sum over the threads that share a row
#pragma unroll
  for (int lane = kPerRow / 2; lane > 0; lane /= 2) part += __shfl_xor_sync(0xffffffffu, part, lane);
  return part;
}

__device__ __forceinline__ float sum_of_warp(float part) {
#pragma unroll
  for (int lane = 16; lane > 0; lane /= 2) part += __shfl_xor_sync(0xffffffffu, part, lane);
  return part;
}

// The product of a row and x. Each thread multiplies its part, and all threads of the row get the whole sum.
__device__ __forceinline__ float multiply(const float* row, const float* x) {
  float even = 0.0f, odd = 0.0f;
#pragma unroll
  for (int i = 0; i < kInputs; i += 2) {
    even = fmaf(row[i], x[i], even);
    odd = fmaf(row[i + 1], x[i + 1], odd);
  }
  return sum_of_row(even + odd);
}

struct Moments {
  float mean, scale;
};

// Mean and scale of 64 numbers in shared memory. Each warp computes both, which saves a barrier.
__device__ __forceinline__ Moments moments(const float* x) {
  const float first = x[threadIdx.x % 32], second = x[threadIdx.x % 32 + 32];
  const float mean = sum_of_warp(first + second) * (1.0f / kWidth);
  const float squares = sum_of_warp((first - mean) * (first - mean) + (second - mean) * (second - mean));
  return {mean, rsqrtf(squares * (1.0f / kWidth) + 1e-5f)};
}

__device__ __forceinline__ float gelu(float x) { return 0.5f * x * (1.0f + erff(x * 0.70710678f)); }
__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + __expf(-x)); }

// Returns one tensor after the other from the packed weights.
struct Packed {
  const float* next;
  __device__ const float* take(int floats) {
    const float* tensor = next;
    next += floats;
    return tensor;
  }
};

}  // namespace

// enc (batch, slots, 64), mask (slots, actions) -> decided (batch, slots, actions), handed (batch, 320) or null
extern "C" __global__ void __launch_bounds__(kThreads, 1)
    decode_rwkv4(const float* weights, const float* enc, const float* mask, int slots, int actions, int batch,
                 float* decided, float* handed) {
  MAT_ROS_DYNAMIC_SHARED(float, shared);
  float* key_rows = shared;                             // (256, 64) of the channel mixer, padded
  float* value_rows = key_rows + kHidden * kRowStride;  // (64, 256) of the channel mixer, padded
  float* embed_rows = value_rows + kWidth * kHiddenStride;     // (64, actions)
  float* out_rows = embed_rows + kMaxActions * kWidth;         // (actions, 64)
  float* x = out_rows + kMaxActions * kWidth;                  // (64,) the residual stream
  float *a = x + kWidth, *b = a + kWidth, *c = b + kWidth;     // (64,) inputs of matrices
  float *k = c + kWidth, *v = k + kWidth, *r = v + kWidth, *h = r + kWidth;  // (64,) their outputs
  float* hidden = h + kWidth;                                  // (256,)
  float* action = hidden + kHidden;                            // (actions,)
  float* halves = action + kMaxActions;                        // (actions, 2) sums of the two warps of channels

  const int t = threadIdx.x, row = t / kPerRow, from = t % kPerRow * kInputs;
  const bool channel = t < kWidth;
  Packed packed{weights};
  const float* embed_weight = packed.take(kWidth * actions);
  const float* embed_bias = packed.take(kWidth);
  // Parameters of this thread's channel, in the order of the packed weights.
  float own[13];
  const auto take_channels = [&](int first, int count) {
    for (int i = 0; i < count; ++i) {
      const float* tensor = packed.take(kWidth);
      own[first + i] = channel ? tensor[t] : 0.0f;
    }
  };
  float key[kInputs], value[kInputs], receptance[kInputs], out[kInputs], gate[kInputs], head[kInputs];
  const auto take_row = [&](float* share) {
    const float* tensor = packed.take(kWidth * kWidth);
#pragma unroll
    for (int i = 0; i < kInputs; ++i) share[i] = tensor[row * kWidth + from + i];
  };
  take_channels(0, 6);  // mixer_norm, mix_key, mix_value, mix_receptance, rate, bonus
  take_row(key);
  take_row(value);
  take_row(receptance);
  take_row(out);
  take_channels(6, 3);  // channel_norm, mix_key, mix_receptance
  const float* channel_key = packed.take(kHidden * kWidth);
  take_row(gate);
  const float* channel_value = packed.take(kWidth * kHidden);
  take_channels(9, 2);  // final_norm: gain, bias
  take_row(head);
  const float* head_bias = packed.take(kWidth);
  take_channels(11, 2);  // head's norm: gain, bias
  const float* out_weight = packed.take(actions * kWidth);
  const float* out_bias = packed.take(actions);

  for (int i = t; i < kHidden * kWidth; i += kThreads) {
    key_rows[i / kWidth * kRowStride + i % kWidth] = channel_key[i];
    value_rows[i / kHidden * kHiddenStride + i % kHidden] = channel_value[i];
  }
  for (int i = t; i < kWidth * actions; i += kThreads) {
    embed_rows[i] = embed_weight[i];
    out_rows[i] = out_weight[i];
  }
  const float bias_of_channel = channel ? embed_bias[t] : 0.0f, bias_of_row = head_bias[row];

  for (int e = blockIdx.x; e < batch; e += gridDim.x) {
    float att_x = 0.0f, num = 0.0f, den = 0.0f, top = kNever, ffn_x = 0.0f;
    const float* rows = enc + size_t(e) * slots * kWidth;
    float next_enc = channel ? rows[t] : 0.0f;  // read one slot ahead
    if (t < actions) action[t] = 0.0f;
    __syncthreads();
    for (int slot = 0; slot < slots; ++slot) {
      const float slot_enc = next_enc;
      if (channel && slot + 1 < slots) next_enc = rows[(slot + 1) * kWidth + t];
      if (channel) {
        float sum = bias_of_channel;
        for (int j = 0; j < actions; ++j) sum = fmaf(embed_rows[t * actions + j], action[j], sum);
        x[t] = gelu(sum) + slot_enc;
      }
      __syncthreads();

      Moments m = moments(x);
      if (channel) {
        const float normal = (x[t] - m.mean) * m.scale * own[0], apart = normal - att_x;
        a[t] = fmaf(apart, own[1], att_x);
        b[t] = fmaf(apart, own[2], att_x);
        c[t] = fmaf(apart, own[3], att_x);
        att_x = normal;
      }
      __syncthreads();
      const float row_key = multiply(key, a + from), row_value = multiply(value, b + from);
      const float row_receptance = multiply(receptance, c + from);
      if (from == 0) {
        k[row] = row_key;
        v[row] = row_value;
        r[row] = row_receptance;
      }
      __syncthreads();
      if (channel) {
        const float now = own[5] + k[t], peak = fmaxf(top, now);
        const float old = __expf(top - peak), fresh = __expf(now - peak);
        a[t] = sigmoid(r[t]) * (old * num + fresh * v[t]) / (old * den + fresh);
        const float faded = top - own[4], next = fmaxf(faded, k[t]);
        const float kept = __expf(faded - next), added = __expf(k[t] - next);
        num = kept * num + added * v[t];
        den = kept * den + added;
        top = next;
      }
      __syncthreads();
      const float mixed = multiply(out, a + from);
      if (from == 0) x[row] += mixed;
      __syncthreads();

      m = moments(x);
      if (channel) {
        const float normal = (x[t] - m.mean) * m.scale * own[6], apart = normal - ffn_x;
        a[t] = fmaf(apart, own[7], ffn_x);
        b[t] = fmaf(apart, own[8], ffn_x);
        ffn_x = normal;
      }
      __syncthreads();
      const float row_gate = multiply(gate, b + from);
      if (from == 0) r[row] = row_gate;
#pragma unroll
      for (int part = 0; part < kHidden / kWidth; ++part) {
        const int wide = part * kWidth + row;
        const float raw = fmaxf(multiply(key_rows + wide * kRowStride + from, a + from), 0.0f);
        if (from == 0) hidden[wide] = raw * raw;
      }
      __syncthreads();
      float thought = 0.0f;
#pragma unroll
      for (int part = 0; part < kHidden; part += kWidth) {
        thought += multiply(value_rows + row * kHiddenStride + part + from, hidden + part + from);
      }
      if (from == 0) x[row] = fmaf(sigmoid(r[row]), thought, x[row]);
      __syncthreads();

      m = moments(x);
      if (channel) a[t] = fmaf((x[t] - m.mean) * m.scale, own[9], own[10]);
      __syncthreads();
      const float row_head = multiply(head, a + from);
      if (from == 0) h[row] = gelu(row_head + bias_of_row);
      __syncthreads();
      m = moments(h);
      if (channel) {
        const float normal = fmaf((h[t] - m.mean) * m.scale, own[11], own[12]);
        for (int j = 0; j < actions; ++j) {
          const float half = sum_of_warp(normal * out_rows[j * kWidth + t]);
          if (t % 32 == 0) halves[2 * j + t / 32] = half;
        }
      }
      __syncthreads();
      if (t < actions) {
        const float mean = mask[slot * actions + t] != 0.0f ? halves[2 * t] + halves[2 * t + 1] + out_bias[t] : 0.0f;
        action[t] = mean;
        decided[(size_t(e) * slots + slot) * actions + t] = mean;
      }
      __syncthreads();
    }
    if (handed != nullptr && channel) {
      float* state = handed + size_t(e) * 5 * kWidth + t;
      state[0] = att_x;
      state[kWidth] = num;
      state[2 * kWidth] = den;
      state[3 * kWidth] = top;
      state[4 * kWidth] = ffn_x;
    }
    __syncthreads();
  }
}

// Launch on `blocks` thread blocks. On a GPU the caller must first raise the kernel's limit of shared memory.
extern "C" int mat_ros_decode_rwkv4(const float* weights, const float* enc, const float* mask, int slots, int actions,
                                    int batch, float* decided, float* handed, int blocks, cudaStream_t stream) {
  if (actions > kMaxActions) return kUnsupported;
  MAT_ROS_LAUNCH(decode_rwkv4, dim3(blocks), dim3(kThreads), kSharedFloats * sizeof(float), stream, weights, enc, mask,
                 slots, actions, batch, decided, handed);
  return int(cudaGetLastError());
}

extern "C" int mat_ros_decode_shared_bytes() { return int(kSharedFloats * sizeof(float)); }
