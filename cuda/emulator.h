// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
//
// Run a CUDA source on the CPU, so that a machine without a GPU can test the real file:
//
//     g++ -std=c++17 -O1 -fPIC -shared -include cuda/emulator.h -x c++ cuda/wkv.cu -o wkv_emulated.so
//
// Blocks run one after the other. The threads of a block are fibers that switch only at __syncthreads() and at warp
// shuffles, always in the same order. This checks arithmetic, indexing, and barriers that not every thread reaches. It
// finds no races; run compute-sanitizer on a GPU for these. A source for both GPU and emulator keeps two rules:
//
//   * it launches with MAT_ROS_LAUNCH(kernel, grid, block, shared_bytes, stream, arguments...), as g++ rejects <<<>>>;
//   * it declares dynamic shared memory with MAT_ROS_DYNAMIC_SHARED(type, name), which is 16-byte aligned.
//
// device.h defines both for nvcc; include device.h in the .cu file. Static __shared__ arrays need no change.
#pragma once

#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#define MAT_ROS_EMULATED 1
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static
#define __align__(bytes) __attribute__((aligned(bytes)))

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
static dim3 threadIdx(0, 0, 0), blockIdx(0, 0, 0), blockDim, gridDim;
static constexpr int warpSize = 32;

using cudaStream_t = void*;
using cudaError_t = int;
static constexpr cudaError_t cudaSuccess = 0;
static inline cudaError_t cudaGetLastError() { return cudaSuccess; }

struct __align__(16) float4 {
  float x, y, z, w;
};

struct __nv_bfloat16 {
  uint16_t bits;
};
static inline float __bfloat162float(__nv_bfloat16 value) {
  uint32_t wide = uint32_t(value.bits) << 16;
  float result;
  std::memcpy(&result, &wide, sizeof result);
  return result;
}
static inline __nv_bfloat16 __float2bfloat16(float value) {  // to nearest, ties to even
  uint32_t wide;
  std::memcpy(&wide, &value, sizeof wide);
  if (value != value) return {uint16_t((wide >> 16) | 0x40)};
  return {uint16_t((wide + 0x7fff + ((wide >> 16) & 1)) >> 16)};
}

static inline float mat_ros_emulated_expf(float x) { return expf(x); }
#define __expf mat_ros_emulated_expf  // the C library has a hidden function of that name
static inline float __fdividef(float a, float b) { return a / b; }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
template <class T>
static inline T __ldg(const T* address) {
  return *address;
}

namespace emulator {

constexpr size_t kStackBytes = 1 << 16;

struct Barrier {
  unsigned waiting = 0;
  long generation = 0;
};

static std::vector<ucontext_t> fibers;
static std::vector<std::vector<char>> stacks;
static std::vector<char> finished;
static std::vector<float> exchange;  // one slot per thread, for shuffles
static std::vector<Barrier> warps;
static Barrier block;
static std::vector<float4> shared;
static ucontext_t scheduler;
static unsigned current, alive;
static long progress;
static const std::function<void()>* body;

static inline void place(unsigned thread) {
  current = thread;
  threadIdx = dim3(thread % blockDim.x, thread / blockDim.x % blockDim.y, thread / blockDim.x / blockDim.y);
}

static inline void wait(Barrier& barrier, unsigned expected) {
  const unsigned thread = current;
  const long generation = barrier.generation;
  ++progress;
  if (++barrier.waiting == expected) {
    barrier.waiting = 0;
    ++barrier.generation;
    return;
  }
  while (barrier.generation == generation) {
    swapcontext(&fibers[thread], &scheduler);
    place(thread);
  }
}

static inline void enter() {
  const unsigned thread = current;
  (*body)();
  finished[thread] = 1;
  --alive;
  ++progress;
  swapcontext(&fibers[thread], &scheduler);
}

static void run_block(unsigned threads) {
  fibers.assign(threads, ucontext_t{});
  stacks.resize(threads);
  finished.assign(threads, 0);
  exchange.assign(threads, 0.0f);
  warps.assign((threads + 31) / 32, Barrier{});
  block = Barrier{};
  alive = threads;
  for (unsigned thread = 0; thread < threads; ++thread) {
    stacks[thread].resize(kStackBytes);
    getcontext(&fibers[thread]);
    fibers[thread].uc_stack.ss_sp = stacks[thread].data();
    fibers[thread].uc_stack.ss_size = kStackBytes;
    fibers[thread].uc_link = &scheduler;
    makecontext(&fibers[thread], enter, 0);
  }
  while (alive) {
    const long before = progress;
    for (unsigned thread = 0; thread < threads; ++thread) {
      if (finished[thread]) continue;
      place(thread);
      swapcontext(&scheduler, &fibers[thread]);
    }
    if (progress == before) {
      std::fprintf(stderr, "emulator: block %u waits at a barrier that %u threads never reach\n", blockIdx.x, alive);
      std::abort();
    }
  }
}

static void launch(dim3 grid, dim3 threads, size_t shared_bytes, const std::function<void()>& kernel) {
  gridDim = grid;
  blockDim = threads;
  body = &kernel;
  shared.assign(shared_bytes / sizeof(float4) + 1, float4{NAN, NAN, NAN, NAN});  // no kernel may rely on zeros
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x) {
        blockIdx = dim3(x, y, z);
        run_block(threads.x * threads.y * threads.z);
      }
}

static inline unsigned warp_size(unsigned warp) {
  const unsigned threads = unsigned(finished.size());
  return threads - warp * 32 < 32 ? threads - warp * 32 : 32;
}

}  // namespace emulator

static inline void __syncthreads() { emulator::wait(emulator::block, unsigned(emulator::finished.size())); }

static inline void __syncwarp(unsigned = 0xffffffffu) {
  const unsigned warp = emulator::current / 32;
  emulator::wait(emulator::warps[warp], emulator::warp_size(warp));
}

// All lanes of the warp must take part, as with the full mask on a GPU.
static inline float __shfl_xor_sync(unsigned, float value, int lane_mask) {
  const unsigned thread = emulator::current;
  emulator::exchange[thread] = value;
  __syncwarp();
  const float other = emulator::exchange[thread ^ unsigned(lane_mask)];
  __syncwarp();
  return other;
}

#define MAT_ROS_LAUNCH(kernel, grid, block_, shared_bytes, stream, ...) \
  ((void)(stream), emulator::launch(grid, block_, shared_bytes, [&] { kernel(__VA_ARGS__); }))
#define MAT_ROS_DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(emulator::shared.data())
