// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Matrix products, layer normalisation, GELU and attention for rows of a few dozen tokens that stay in the L2 cache.
//
// The code uses the compiler's vector extension, so one source serves AVX-512, AVX2 and other instruction sets. All row
// lengths are padded to LANES, so no loop has a tail. Padding holds zeros.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace fused {

constexpr int LANES = 16;
typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef int32_t IntVec __attribute__((vector_size(4 * LANES)));

inline int padded(int columns) { return (columns + LANES - 1) / LANES * LANES; }
inline Vec load(const float* p) { return *reinterpret_cast<const Vec*>(p); }
inline void store(float* p, Vec v) { *reinterpret_cast<Vec*>(p) = v; }
inline Vec splat(float x) { return Vec{} + x; }
inline float sum(Vec v) {
  float total[LANES];
  std::memcpy(total, &v, sizeof v);
  for (int half = LANES / 2; half; half /= 2)
    for (int k = 0; k < half; ++k) total[k] += total[k + half];
  return total[0];
}

// Token rows `first, first + step, ...`: all slots of all samples (step 1), or one slot of each sample (step n). The
// bits of a row do not depend on the rows computed with it, so decoding equals training exactly.
struct Rows {
  int first, step, count;
  int at(int r) const { return first + r * step; }
};

// ---- c[i][j] (+)= sum over p of a[i * row + p * deep] * b[p][j] ----------------------------------------------------

template <int R, int C>
inline void tile(const float* a, long row, long deep, const float* b, long ldb, int depth, float* c, long ldc,
                 const float* bias, bool add) {
  Vec acc[R][C];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < C; ++j)
      acc[i][j] = bias ? load(bias + j * LANES) : add ? load(c + i * ldc + j * LANES) : Vec{};
  for (int p = 0; p < depth; ++p) {
    Vec right[C];
#pragma GCC unroll 4
    for (int j = 0; j < C; ++j) right[j] = load(b + p * ldb + j * LANES);
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
      const Vec left = splat(a[i * row + p * deep]);
#pragma GCC unroll 4
      for (int j = 0; j < C; ++j) acc[i][j] += left * right[j];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < C; ++j) store(c + i * ldc + j * LANES, acc[i][j]);
}

template <int C>
inline void strip(int m, const float* a, long row, long deep, const float* b, long ldb, int depth, float* c, long ldc,
                  const float* bias, bool add) {
  int i = 0;
  for (; i + 6 <= m; i += 6) tile<6, C>(a + i * row, row, deep, b, ldb, depth, c + i * ldc, ldc, bias, add);
  for (; i + 2 <= m; i += 2) tile<2, C>(a + i * row, row, deep, b, ldb, depth, c + i * ldc, ldc, bias, add);
  for (; i < m; ++i) tile<1, C>(a + i * row, row, deep, b, ldb, depth, c + i * ldc, ldc, bias, add);
}

inline void product(int m, int n, int depth, const float* a, long row, long deep, const float* b, long ldb, float* c,
                    long ldc, const float* bias, bool add) {
  int j = 0;
  for (; j + 4 * LANES <= n; j += 4 * LANES)
    strip<4>(m, a, row, deep, b + j, ldb, depth, c + j, ldc, bias ? bias + j : nullptr, add);
  for (; j < n; j += LANES)
    strip<1>(m, a, row, deep, b + j, ldb, depth, c + j, ldc, bias ? bias + j : nullptr, add);
}

// ---- GELU ------------------------------------------------------------------------------------------------------------

inline Vec exponential(Vec x) {  // for x <= 0 only
  x = x < -87.0f ? splat(-87.0f) : x;
  const Vec shifter = splat(12582912.0f);  // 1.5 * 2^23: adding this number rounds to an integer in the low bits
  const Vec shifted = x * 1.44269504f + shifter;
  const Vec whole = shifted - shifter;
  const Vec f = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
  Vec p = splat(1.9875691500e-4f);
  p = p * f + 1.3981999507e-3f;
  p = p * f + 8.3334519073e-3f;
  p = p * f + 4.1665795894e-2f;
  p = p * f + 1.6666665459e-1f;
  p = p * f + 5.0000001201e-1f;
  p = p * f * f + f + 1.0f;
  const IntVec bits = reinterpret_cast<IntVec>(shifted);
  return p * reinterpret_cast<Vec>((bits + 127) << 23);
}

// One exponential serves the normal distribution function and its density (Abramowitz and Stegun 7.1.26, error 1.5e-7).
inline void normal(Vec x, Vec& below, Vec& density) {
  const Vec size = (x < 0.0f ? -x : x) * 0.70710678f;
  const Vec e = exponential(-size * size);
  const Vec t = 1.0f / (1.0f + 0.3275911f * size);
  const Vec tail =
      t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f)))) * e * 0.5f;
  below = x < 0.0f ? tail : 1.0f - tail;
  density = e * 0.39894228f;
}

inline void gelu(const float* x, float* y, Rows rows, int width) {
  for (int r = 0; r < rows.count; ++r)
    for (int k = 0, at = rows.at(r) * width; k < width; k += LANES) {
      Vec below, density;
      const Vec v = load(x + at + k);
      normal(v, below, density);
      store(y + at + k, v * below);
    }
}

inline void gelu_backward(const float* x, float* d, int tokens, int width) {  // d: gradient of y, then of x
  for (int at = 0; at < tokens * width; at += LANES) {
    Vec below, density;
    const Vec v = load(x + at);
    normal(v, below, density);
    store(d + at, load(d + at) * (below + v * density));
  }
}

// ---- layer normalisation ---------------------------------------------------------------------------------------------

constexpr float NORM_EPSILON = 1e-5f;

struct NormStatistics {
  float mean, scale;  // scale: 1 / standard deviation
};

inline Vec lane_mask(int k, int columns) {  // 1 where a column exists, 0 in padding
  Vec mask{};
  for (int lane = 0; lane < LANES; ++lane) mask[lane] = k + lane < columns ? 1.0f : 0.0f;
  return mask;
}

inline void layer_norm(const float* x, const float* gain, const float* bias, float* y, NormStatistics* kept, Rows rows,
                       int columns) {
  const int width = padded(columns);
  const Vec last = lane_mask(width - LANES, columns);
  for (int r = 0; r < rows.count; ++r) {
    const float* in = x + rows.at(r) * width;
    float* out = y + rows.at(r) * width;
    Vec total{}, square{};
    for (int k = 0; k < width; k += LANES) total += load(in + k);
    const float mean = sum(total) / static_cast<float>(columns);
    for (int k = 0; k < width; k += LANES) {
      Vec off = load(in + k) - mean;
      if (k == width - LANES) off *= last;
      square += off * off;
    }
    const float scale = 1.0f / std::sqrt(sum(square) / static_cast<float>(columns) + NORM_EPSILON);
    for (int k = 0; k < width; k += LANES) {
      // Gain and bias are zero in padding, so padding stays zero.
      store(out + k, (load(in + k) - mean) * scale * load(gain + k) + load(bias + k));
    }
    kept[rows.at(r)] = {mean, scale};
  }
}

// Adds the gradient through the norm to dx or writes it, and adds the gradients of gain and bias to dgain and dbias.
inline void layer_norm_backward(const float* x, const float* gain, const NormStatistics* kept, const float* dy,
                                float* dx, bool add, float* dgain, float* dbias, int tokens, int columns) {
  const int width = padded(columns);
  const Vec last = lane_mask(width - LANES, columns);
  const float each = 1.0f / static_cast<float>(columns);
  for (int r = 0; r < tokens; ++r) {
    const float* in = x + r * width;
    const float* up = dy + r * width;
    const auto [mean, scale] = kept[r];
    Vec total{}, along{};
    for (int k = 0; k < width; k += LANES) {
      Vec hat = (load(in + k) - mean) * scale;
      if (k == width - LANES) hat *= last;
      const Vec d = load(up + k), through = d * load(gain + k);
      store(dgain + k, load(dgain + k) + d * hat);
      if (dbias) store(dbias + k, load(dbias + k) + d);
      total += through;
      along += through * hat;
    }
    if (!dx) continue;
    const float average = sum(total) * each, slope = sum(along) * each;
    for (int k = 0; k < width; k += LANES) {
      const Vec hat = (load(in + k) - mean) * scale;
      Vec d = (load(up + k) * load(gain + k) - average - hat * slope) * scale;
      if (k == width - LANES) d *= last;
      store(dx + r * width + k, add ? load(dx + r * width + k) + d : d);
    }
  }
}

// ---- attention ---------------------------------------------------------------------------------------------------------

// Place of the queries, keys or values of a token: row `token` of a buffer with its own stride and first column.
struct Place {
  float* base;
  long stride;
  float* at(int token) const { return base + token * stride; }
};

inline float dot(const float* a, const float* b, int width) {
  Vec total{};
  for (int k = 0; k < width; k += LANES) total += load(a + k) * load(b + k);
  return sum(total);
}

struct AttentionShape {
  int slots, heads, head_width;  // head_width is a multiple of LANES
  bool causal;
  int seen(int slot) const { return causal ? slot + 1 : slots; }
};

// weights: (token, heads, slots)
inline void attend(const AttentionShape& s, Place q, Place k, Place v, float* weights, float* out, Rows rows) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(s.head_width));
  const int width = s.heads * s.head_width;
  for (int r = 0; r < rows.count; ++r) {
    const int token = rows.at(r), slot = token % s.slots, begin = token - slot, seen = s.seen(slot);
    for (int h = 0; h < s.heads; ++h) {
      const int column = h * s.head_width;
      float* w = weights + (token * s.heads + h) * s.slots;
      float most = -1e30f, total = 0.0f;
      for (int j = 0; j < seen; ++j) {
        w[j] = dot(q.at(token) + column, k.at(begin + j) + column, s.head_width) * scale;
        most = w[j] > most ? w[j] : most;
      }
      for (int j = 0; j < seen; ++j) total += w[j] = std::exp(w[j] - most);
      for (int j = 0; j < seen; ++j) w[j] /= total;
      for (int c = 0; c < s.head_width; c += LANES) {
        Vec mixed{};
        for (int j = 0; j < seen; ++j) mixed += w[j] * load(v.at(begin + j) + column + c);
        store(out + token * width + column + c, mixed);
      }
    }
  }
}

// dq, dk and dv must be zero before the call. scratch holds `slots` floats.
inline void attend_backward(const AttentionShape& s, Place q, Place k, Place v, const float* weights, const float* dout,
                            Place dq, Place dk, Place dv, int tokens, float* scratch) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(s.head_width));
  const int width = s.heads * s.head_width;
  for (int token = 0; token < tokens; ++token) {
    const int slot = token % s.slots, begin = token - slot, seen = s.seen(slot);
    for (int h = 0; h < s.heads; ++h) {
      const int column = h * s.head_width;
      const float* w = weights + (token * s.heads + h) * s.slots;
      const float* up = dout + token * width + column;
      float average = 0.0f;
      for (int j = 0; j < seen; ++j) {
        scratch[j] = dot(up, v.at(begin + j) + column, s.head_width);
        average += w[j] * scratch[j];
      }
      for (int j = 0; j < seen; ++j) {
        const float score = w[j] * (scratch[j] - average) * scale;
        for (int c = 0; c < s.head_width; c += LANES) {
          float* to_q = dq.at(token) + column + c;
          float* to_k = dk.at(begin + j) + column + c;
          float* to_v = dv.at(begin + j) + column + c;
          store(to_q, load(to_q) + score * load(k.at(begin + j) + column + c));
          store(to_k, load(to_k) + score * load(q.at(token) + column + c));
          store(to_v, load(to_v) + w[j] * load(up + c));
        }
      }
    }
  }
}

}  // namespace fused
