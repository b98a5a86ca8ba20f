// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
//
// The causal WKV of RWKV-4, 5 and 6, forward and backward. Inputs and outputs are float or bfloat16; every sum is
// float. training/models/wkv_reference.py contains the equations. Tensors are contiguous (batch, slots, width).
//
// Every launcher returns a cudaError_t, or kUnsupported where no kernel was compiled for the head size.
#include "wkv4.h"

namespace {

constexpr int kUnsupported = -1;
constexpr int kThreads = 128;

__device__ __forceinline__ float load(const float* x, long i) { return x[i]; }
__device__ __forceinline__ float load(const __nv_bfloat16* x, long i) { return __bfloat162float(x[i]); }
__device__ __forceinline__ void store(float* x, long i, float value) { x[i] = value; }
__device__ __forceinline__ void store(__nv_bfloat16* x, long i, float value) { x[i] = __float2bfloat16(value); }

// ---- version 4: one thread per (batch, channel), one walk along the slots --------------------------------------------

template <class T>
__global__ void wkv4_forward_kernel(int batch, int slots, int width, const T* key, const T* value, const float* rate,
                                    const float* bonus, T* out) {
  const long lane = long(blockIdx.x) * blockDim.x + threadIdx.x;
  if (lane >= long(batch) * width) return;
  const int channel = int(lane % width);
  const long first = lane / width * slots * width + channel;
  const float w = rate[channel], u = bonus[channel];
  Average sums;
  for (int t = 0; t < slots; ++t) {
    const long i = first + long(t) * width;
    const float k = load(key, i), v = load(value, i);
    float den_now, top_now;
    store(out, i, sums.read(k, v, u, den_now, top_now));
    sums.write(k, v, w);
  }
}

// With p_ti the weight of slot i in slot t's average y_t, and g_t the gradient of y_t:
//   dv_i = Σ_t g_t p_ti    dk_i = Σ_t g_t p_ti (v_i - y_t)    du = Σ_t g_t p_tt (v_t - y_t)
//   dw = -Σ_t g_t Σ_{i<t} (t - 1 - i) p_ti (v_i - y_t)
// The first walk goes forward for du and dw and writes y_t and log(den_t) to the workspace, (2, batch, slots, width).
// The second walk goes backward with Σ_t g_t / den_t and Σ_t g_t y_t / den_t, scaled as the forward sums are.
template <class T>
__global__ void wkv4_backward_kernel(int batch, int slots, int width, const T* key, const T* value, const float* rate,
                                     const float* bonus, const T* grad_out, float* workspace, T* grad_key,
                                     T* grad_value, float* grad_rate, float* grad_bonus) {
  const long lane = long(blockIdx.x) * blockDim.x + threadIdx.x;
  if (lane >= long(batch) * width) return;
  const int channel = int(lane % width);
  const long first = lane / width * slots * width + channel;
  const float w = rate[channel], u = bonus[channel];
  float* average = workspace;
  float* log_den = workspace + long(batch) * slots * width;

  Average sums;
  float num_by_rate = 0.0f, den_by_rate = 0.0f;  // derivatives of num and den by -w, scaled alike
  float sum_rate = 0.0f, sum_bonus = 0.0f;
  for (int t = 0; t < slots; ++t) {
    const long i = first + long(t) * width;
    const float k = load(key, i), v = load(value, i), g = load(grad_out, i);
    float den_now, top_now;
    const float y = sums.read(k, v, u, den_now, top_now);
    average[i] = y;
    log_den[i] = top_now + logf(den_now);
    sum_bonus += g * expf(u + k - top_now) / den_now * (v - y);
    sum_rate -= g * expf(sums.top - top_now) / den_now * (num_by_rate - y * den_by_rate);

    const float faded = sums.top - w, top = fmaxf(faded, k);
    const float old = expf(faded - top), fresh = expf(k - top);
    num_by_rate = old * (num_by_rate + sums.num);
    den_by_rate = old * (den_by_rate + sums.den);
    sums.num = old * sums.num + fresh * v;
    sums.den = old * sums.den + fresh;
    sums.top = top;
  }
  grad_rate[lane] = sum_rate;
  grad_bonus[lane] = sum_bonus;

  float weight = 0.0f, weighted = 0.0f, top = kNever;  // sums over the slots after i, decayed to slot i + 1
  for (int t = slots - 1; t >= 0; --t) {
    const long i = first + long(t) * width;
    const float k = load(key, i), v = load(value, i), g = load(grad_out, i);
    const float y = average[i], own = expf(u + k - log_den[i]), later = expf(k + top);
    store(grad_value, i, g * own + later * weight);
    store(grad_key, i, g * own * (v - y) + later * (v * weight - weighted));
    const float faded = top - w, next = fmaxf(faded, -log_den[i]);
    const float old = expf(faded - next), fresh = expf(-log_den[i] - next);
    weight = old * weight + fresh * g;
    weighted = old * weighted + fresh * g * y;
    top = next;
  }
}

// ---- versions 5 and 6: one block per (batch, head), one thread per channel of the head --------------------------------

// Thread j holds column j of the memory: S[.][j]. In version 5 the rate is the same for all slots.
template <class T, int C, bool kRatePerSlot>
__global__ void __launch_bounds__(C)
    wkv6_forward_kernel(int slots, int heads, const T* r, const T* k, const T* v, const float* rate,
                        const float* bonus, T* out) {
  const int head = int(blockIdx.x) % heads, j = int(threadIdx.x), width = heads * C;
  const long first = long(blockIdx.x) / heads * slots * width + head * C + j;
  __shared__ float r_t[C], k_t[C], w_t[C], u[C];
  float memory[C];
#pragma unroll
  for (int i = 0; i < C; ++i) memory[i] = 0.0f;
  u[j] = bonus[head * C + j];
  for (int t = 0; t < slots; ++t) {
    const long at = first + long(t) * width;
    __syncthreads();
    r_t[j] = load(r, at);
    k_t[j] = load(k, at);
    w_t[j] = expf(-rate[kRatePerSlot ? at : head * C + j]);
    __syncthreads();
    const float v_t = load(v, at);
    float y = 0.0f;
#pragma unroll
    for (int i = 0; i < C; ++i) {
      const float product = k_t[i] * v_t;
      y += r_t[i] * (memory[i] + u[i] * product);
      memory[i] = w_t[i] * memory[i] + product;
    }
    store(out, at, y);
  }
}

// With D_t the gradient of the memory that enters slot t:  D_t = r_t g_tᵀ + e^{-w_t} ⊙ D_{t+1}
//   dr_t = S_t g_t + u ⊙ k_t (v_t·g_t)    dk_t = D_{t+1} v_t + u ⊙ r_t (v_t·g_t)    dv_t = D_{t+1}ᵀ k_t + g_t (r_t·(u ⊙ k_t))
// The gradient of the rate is -e^{-w_t} Σ_j D_{t+1} ⊙ S_t. No memory is kept for it: with E_t = Σ_j D_t ⊙ S_t,
//   E_t = E_{t+1} - k_t ⊙ (D_{t+1} v_t) + r_t ⊙ (S_t g_t)   and   dw_t = -(E_{t+1} - k_t ⊙ (D_{t+1} v_t)).
// The workspace (batch, slots, width) carries r_t ⊙ (S_t g_t) from the forward walk to the backward walk.
template <class T, int C, bool kRatePerSlot>
__global__ void __launch_bounds__(C)
    wkv6_backward_kernel(int slots, int heads, const T* r, const T* k, const T* v, const float* rate,
                         const float* bonus, const T* grad_out, float* workspace, T* grad_r, T* grad_k, T* grad_v,
                         float* grad_rate, float* grad_bonus) {
  const int head = int(blockIdx.x) % heads, i = int(threadIdx.x), width = heads * C;
  const long first = long(blockIdx.x) / heads * slots * width + head * C + i;
  __shared__ float r_t[C], k_t[C], v_t[C], g_t[C], w_t[C], u[C];
  float matrix[C];  // a row of S, then a row of D, then a column of D
  const float u_i = bonus[head * C + i];
  u[i] = u_i;

  float sum_bonus = 0.0f;
#pragma unroll
  for (int j = 0; j < C; ++j) matrix[j] = 0.0f;
  for (int t = 0; t < slots; ++t) {
    const long at = first + long(t) * width;
    __syncthreads();
    v_t[i] = load(v, at);
    g_t[i] = load(grad_out, at);
    __syncthreads();
    const float r_i = load(r, at), k_i = load(k, at), fade = expf(-rate[kRatePerSlot ? at : head * C + i]);
    float seen = 0.0f, now = 0.0f;
#pragma unroll
    for (int j = 0; j < C; ++j) {
      seen += matrix[j] * g_t[j];
      now += v_t[j] * g_t[j];
      matrix[j] = fade * matrix[j] + k_i * v_t[j];
    }
    store(grad_r, at, seen + u_i * k_i * now);
    workspace[at] = r_i * seen;
    sum_bonus += r_i * k_i * now;
  }
  grad_bonus[long(blockIdx.x) * C + i] = sum_bonus;

  float carried = 0.0f, sum_rate = 0.0f;  // carried is E_{t+1}
#pragma unroll
  for (int j = 0; j < C; ++j) matrix[j] = 0.0f;
  for (int t = slots - 1; t >= 0; --t) {
    const long at = first + long(t) * width;
    __syncthreads();
    v_t[i] = load(v, at);
    g_t[i] = load(grad_out, at);
    __syncthreads();
    const float r_i = load(r, at), k_i = load(k, at), fade = expf(-rate[kRatePerSlot ? at : head * C + i]);
    float written = 0.0f, now = 0.0f;
#pragma unroll
    for (int j = 0; j < C; ++j) {
      written += matrix[j] * v_t[j];
      now += v_t[j] * g_t[j];
      matrix[j] = fade * matrix[j] + r_i * g_t[j];
    }
    store(grad_k, at, written + u_i * r_i * now);
    const float by_rate = k_i * written - carried;
    if (kRatePerSlot) {
      grad_rate[at] = by_rate;
    } else {
      sum_rate += by_rate;
    }
    carried = workspace[at] - by_rate;
  }
  if (!kRatePerSlot) grad_rate[long(blockIdx.x) * C + i] = sum_rate;

#pragma unroll
  for (int j = 0; j < C; ++j) matrix[j] = 0.0f;
  for (int t = slots - 1; t >= 0; --t) {
    const long at = first + long(t) * width;
    __syncthreads();
    r_t[i] = load(r, at);
    k_t[i] = load(k, at);
    w_t[i] = expf(-rate[kRatePerSlot ? at : head * C + i]);
    __syncthreads();
    const float g = load(grad_out, at);
    float stored = 0.0f, now = 0.0f;
#pragma unroll
    for (int j = 0; j < C; ++j) {
      stored += matrix[j] * k_t[j];
      now += r_t[j] * u[j] * k_t[j];
      matrix[j] = w_t[j] * matrix[j] + r_t[j] * g;
    }
    store(grad_v, at, stored + g * now);
  }
}

// ---- launchers: choose the compiled variant -----------------------------------------------------------------------------

template <class T>
int wkv4_forward(int batch, int slots, int width, const void* key, const void* value, const float* rate,
                 const float* bonus, void* out, cudaStream_t stream) {
  const unsigned blocks = unsigned((long(batch) * width + kThreads - 1) / kThreads);
  MAT_ROS_LAUNCH(wkv4_forward_kernel<T>, dim3(blocks), dim3(kThreads), 0, stream, batch, slots, width,
                 static_cast<const T*>(key), static_cast<const T*>(value), rate, bonus, static_cast<T*>(out));
  return cudaGetLastError();
}

template <class T>
int wkv4_backward(int batch, int slots, int width, const void* key, const void* value, const float* rate,
                  const float* bonus, const void* grad_out, float* workspace, void* grad_key, void* grad_value,
                  float* grad_rate, float* grad_bonus, cudaStream_t stream) {
  const unsigned blocks = unsigned((long(batch) * width + kThreads - 1) / kThreads);
  MAT_ROS_LAUNCH(wkv4_backward_kernel<T>, dim3(blocks), dim3(kThreads), 0, stream, batch, slots, width,
                 static_cast<const T*>(key), static_cast<const T*>(value), rate, bonus,
                 static_cast<const T*>(grad_out), workspace, static_cast<T*>(grad_key), static_cast<T*>(grad_value),
                 grad_rate, grad_bonus);
  return cudaGetLastError();
}

template <class T, int C, bool kRatePerSlot>
int wkv6_forward(int batch, int slots, int heads, const void* r, const void* k, const void* v, const float* rate,
                 const float* bonus, void* out, cudaStream_t stream) {
  auto kernel = wkv6_forward_kernel<T, C, kRatePerSlot>;
  MAT_ROS_LAUNCH(kernel, dim3(unsigned(batch) * heads), dim3(C), 0, stream, slots, heads, static_cast<const T*>(r),
                 static_cast<const T*>(k), static_cast<const T*>(v), rate, bonus, static_cast<T*>(out));
  return cudaGetLastError();
}

template <class T, int C, bool kRatePerSlot>
int wkv6_backward(int batch, int slots, int heads, const void* r, const void* k, const void* v, const float* rate,
                  const float* bonus, const void* grad_out, float* workspace, void* grad_r, void* grad_k, void* grad_v,
                  float* grad_rate, float* grad_bonus, cudaStream_t stream) {
  auto kernel = wkv6_backward_kernel<T, C, kRatePerSlot>;
  MAT_ROS_LAUNCH(kernel, dim3(unsigned(batch) * heads), dim3(C), 0, stream, slots, heads, static_cast<const T*>(r),
                 static_cast<const T*>(k), static_cast<const T*>(v), rate, bonus, static_cast<const T*>(grad_out),
                 workspace, static_cast<T*>(grad_r), static_cast<T*>(grad_k), static_cast<T*>(grad_v), grad_rate,
                 grad_bonus);
  return cudaGetLastError();
}

}  // namespace

#define MAT_ROS_BY_SIZE(function, T, per_slot, size, ...)                  \
  switch (size) {                                                          \
    case 8: return function<T, 8, per_slot>(__VA_ARGS__);                  \
    case 16: return function<T, 16, per_slot>(__VA_ARGS__);                \
    case 32: return function<T, 32, per_slot>(__VA_ARGS__);                \
    case 64: return function<T, 64, per_slot>(__VA_ARGS__);                \
    default: return kUnsupported;                                          \
  }
#define MAT_ROS_BY_TYPE(function, bf16, per_slot, size, ...)               \
  if (bf16) {                                                              \
    if (per_slot) MAT_ROS_BY_SIZE(function, __nv_bfloat16, true, size, __VA_ARGS__)  \
    MAT_ROS_BY_SIZE(function, __nv_bfloat16, false, size, __VA_ARGS__)     \
  }                                                                        \
  if (per_slot) MAT_ROS_BY_SIZE(function, float, true, size, __VA_ARGS__)  \
  MAT_ROS_BY_SIZE(function, float, false, size, __VA_ARGS__)

extern "C" {

int mat_ros_wkv4_forward(int bf16, int batch, int slots, int width, const void* key, const void* value,
                         const float* rate, const float* bonus, void* out, void* stream) {
  auto launch = bf16 ? wkv4_forward<__nv_bfloat16> : wkv4_forward<float>;
  return launch(batch, slots, width, key, value, rate, bonus, out, static_cast<cudaStream_t>(stream));
}

int mat_ros_wkv4_backward(int bf16, int batch, int slots, int width, const void* key, const void* value,
                          const float* rate, const float* bonus, const void* grad_out, float* workspace,
                          void* grad_key, void* grad_value, float* grad_rate, float* grad_bonus, void* stream) {
  auto launch = bf16 ? wkv4_backward<__nv_bfloat16> : wkv4_backward<float>;
  return launch(batch, slots, width, key, value, rate, bonus, grad_out, workspace, grad_key, grad_value, grad_rate,
                grad_bonus, static_cast<cudaStream_t>(stream));
}

int mat_ros_wkv6_forward(int bf16, int rate_per_slot, int batch, int slots, int heads, int head_size, const void* r,
                         const void* k, const void* v, const float* rate, const float* bonus, void* out,
                         void* stream) {
  MAT_ROS_BY_TYPE(wkv6_forward, bf16, rate_per_slot, head_size, batch, slots, heads, r, k, v, rate, bonus, out,
                  static_cast<cudaStream_t>(stream))
}

int mat_ros_wkv6_backward(int bf16, int rate_per_slot, int batch, int slots, int heads, int head_size, const void* r,
                          const void* k, const void* v, const float* rate, const float* bonus, const void* grad_out,
                          float* workspace, void* grad_r, void* grad_k, void* grad_v, float* grad_rate,
                          float* grad_bonus, void* stream) {
  MAT_ROS_BY_TYPE(wkv6_backward, bf16, rate_per_slot, head_size, batch, slots, heads, r, k, v, rate, bonus, grad_out,
                  workspace, grad_r, grad_k, grad_v, grad_rate, grad_bonus, static_cast<cudaStream_t>(stream))
}

}  // extern "C"
