// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Sixteen floats and the operations that the kernels need, for one instruction set per inclusion.
//
// Each operation is correctly rounded or a fixed sequence of correctly rounded operations, and sums are folded in one
// order. So all instruction sets compute the same bits. Each path_*.cpp includes this file once, in its own namespace:
// the linker must never keep a function compiled for AVX-512 for a processor without AVX-512.
// max(a, b) and min(a, b) return b where a or b is NaN. With the constant as a, clipping keeps a NaN.

#if defined(MAT_ROS_AVX512)

struct F16 {
  __m512 v;
};
inline F16 load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store(float* p, F16 a) { _mm512_storeu_ps(p, a.v); }
inline F16 fill(float x) { return {_mm512_set1_ps(x)}; }
inline F16 operator+(F16 a, F16 b) { return {_mm512_add_ps(a.v, b.v)}; }
inline F16 operator-(F16 a, F16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline F16 operator*(F16 a, F16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline F16 operator/(F16 a, F16 b) { return {_mm512_div_ps(a.v, b.v)}; }
inline F16 fma(F16 a, F16 b, F16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline F16 max(F16 a, F16 b) { return {_mm512_max_ps(a.v, b.v)}; }
inline F16 min(F16 a, F16 b) { return {_mm512_min_ps(a.v, b.v)}; }
inline F16 zero_below(F16 x, F16 limit, F16 y) {  // y, but 0 where x < limit
  return {_mm512_mask_mov_ps(y.v, _mm512_cmp_ps_mask(x.v, limit.v, _CMP_LT_OQ), _mm512_setzero_ps())};
}
inline F16 with_sign(F16 magnitude, F16 sign) {  // magnitude is not negative
  const __m512i bit = _mm512_and_si512(_mm512_castps_si512(sign.v), _mm512_set1_epi32(static_cast<int>(0x80000000u)));
  return {_mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(magnitude.v), bit))};
}
inline F16 power_of_two(F16 shifted) {  // 2^k, where shifted = kRounder + k
  const __m512i k = _mm512_add_epi32(_mm512_castps_si512(shifted.v), _mm512_set1_epi32(127));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(k, 23))};
}
inline __m256 halves(F16 a, bool upper) {
  return _mm256_castpd_ps(upper ? _mm512_extractf64x4_pd(_mm512_castps_pd(a.v), 1)
                                : _mm512_castpd512_pd256(_mm512_castps_pd(a.v)));
}

#elif defined(MAT_ROS_AVX2)

struct F16 {
  __m256 a, b;
};
inline F16 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store(float* p, F16 x) { _mm256_storeu_ps(p, x.a), _mm256_storeu_ps(p + 8, x.b); }
inline F16 fill(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline F16 operator+(F16 x, F16 y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
inline F16 operator-(F16 x, F16 y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
inline F16 operator*(F16 x, F16 y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
inline F16 operator/(F16 x, F16 y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
inline F16 fma(F16 x, F16 y, F16 z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
inline F16 max(F16 x, F16 y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
inline F16 min(F16 x, F16 y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
inline F16 zero_below(F16 x, F16 limit, F16 y) {
  return {_mm256_andnot_ps(_mm256_cmp_ps(x.a, limit.a, _CMP_LT_OQ), y.a),
          _mm256_andnot_ps(_mm256_cmp_ps(x.b, limit.b, _CMP_LT_OQ), y.b)};
}
inline F16 with_sign(F16 magnitude, F16 sign) {
  const __m256 bit = _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(0x80000000u)));
  return {_mm256_or_ps(magnitude.a, _mm256_and_ps(sign.a, bit)), _mm256_or_ps(magnitude.b, _mm256_and_ps(sign.b, bit))};
}
inline __m256 power_of_two_half(__m256 shifted) {
  const __m256i k = _mm256_add_epi32(_mm256_castps_si256(shifted), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(k, 23));
}
inline F16 power_of_two(F16 shifted) { return {power_of_two_half(shifted.a), power_of_two_half(shifted.b)}; }
inline __m256 halves(F16 x, bool upper) { return upper ? x.b : x.a; }

#elif defined(MAT_ROS_NEON)

struct F16 {
  float32x4_t v[4];
};
#define MAT_ROS_EACH(expression)         \
  F16 result;                            \
  for (int i = 0; i < 4; ++i) {          \
    result.v[i] = expression;            \
  }                                      \
  return result
inline F16 load(const float* p) { MAT_ROS_EACH(vld1q_f32(p + 4 * i)); }
inline void store(float* p, F16 a) {
  for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, a.v[i]);
}
inline F16 fill(float x) { MAT_ROS_EACH(vdupq_n_f32(x)); }
inline F16 operator+(F16 a, F16 b) { MAT_ROS_EACH(vaddq_f32(a.v[i], b.v[i])); }
inline F16 operator-(F16 a, F16 b) { MAT_ROS_EACH(vsubq_f32(a.v[i], b.v[i])); }
inline F16 operator*(F16 a, F16 b) { MAT_ROS_EACH(vmulq_f32(a.v[i], b.v[i])); }
inline F16 operator/(F16 a, F16 b) { MAT_ROS_EACH(vdivq_f32(a.v[i], b.v[i])); }
inline F16 fma(F16 a, F16 b, F16 c) { MAT_ROS_EACH(vfmaq_f32(c.v[i], a.v[i], b.v[i])); }
inline F16 max(F16 a, F16 b) { MAT_ROS_EACH(vbslq_f32(vcgtq_f32(a.v[i], b.v[i]), a.v[i], b.v[i])); }
inline F16 min(F16 a, F16 b) { MAT_ROS_EACH(vbslq_f32(vcltq_f32(a.v[i], b.v[i]), a.v[i], b.v[i])); }
inline F16 zero_below(F16 x, F16 limit, F16 y) {
  MAT_ROS_EACH(vbslq_f32(vcltq_f32(x.v[i], limit.v[i]), vdupq_n_f32(0.0f), y.v[i]));
}
inline F16 with_sign(F16 magnitude, F16 sign) {
  MAT_ROS_EACH(vbslq_f32(vdupq_n_u32(0x80000000u), sign.v[i], magnitude.v[i]));
}
inline F16 power_of_two(F16 shifted) {
  MAT_ROS_EACH(vreinterpretq_f32_s32(
      vshlq_n_s32(vaddq_s32(vreinterpretq_s32_f32(shifted.v[i]), vdupq_n_s32(127)), 23)));
}

#else  // any processor: the reference for the other sets, slow on processors without fused multiply-add

struct F16 {
  float v[16];
};
#define MAT_ROS_EACH(expression)  \
  F16 result;                     \
  for (int i = 0; i < 16; ++i) {  \
    result.v[i] = expression;     \
  }                               \
  return result
inline F16 load(const float* p) { MAT_ROS_EACH(p[i]); }
inline void store(float* p, F16 a) {
  for (int i = 0; i < 16; ++i) p[i] = a.v[i];
}
inline F16 fill(float x) { MAT_ROS_EACH(x); }
inline F16 operator+(F16 a, F16 b) { MAT_ROS_EACH(a.v[i] + b.v[i]); }
inline F16 operator-(F16 a, F16 b) { MAT_ROS_EACH(a.v[i] - b.v[i]); }
inline F16 operator*(F16 a, F16 b) { MAT_ROS_EACH(a.v[i] * b.v[i]); }
inline F16 operator/(F16 a, F16 b) { MAT_ROS_EACH(a.v[i] / b.v[i]); }
inline F16 fma(F16 a, F16 b, F16 c) { MAT_ROS_EACH(__builtin_fmaf(a.v[i], b.v[i], c.v[i])); }
inline F16 max(F16 a, F16 b) { MAT_ROS_EACH(a.v[i] > b.v[i] ? a.v[i] : b.v[i]); }
inline F16 min(F16 a, F16 b) { MAT_ROS_EACH(a.v[i] < b.v[i] ? a.v[i] : b.v[i]); }
inline F16 zero_below(F16 x, F16 limit, F16 y) { MAT_ROS_EACH(x.v[i] < limit.v[i] ? 0.0f : y.v[i]); }
inline F16 with_sign(F16 magnitude, F16 sign) { MAT_ROS_EACH(__builtin_copysignf(magnitude.v[i], sign.v[i])); }
inline float power_of_two_one(float shifted) {
  int32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  const uint32_t power = (static_cast<uint32_t>(bits) + 127u) << 23;
  float result;
  memcpy(&result, &power, sizeof result);
  return result;
}
inline F16 power_of_two(F16 shifted) { MAT_ROS_EACH(power_of_two_one(shifted.v[i])); }

#endif

// ---- the same for all sets ------------------------------------------------------------------------------------------

// Load or store the first `count` of sixteen floats. A load sets the others to zero; a store does not write them.
inline F16 load_part(const float* p, int count) {
  if (count >= kLanes) return load(p);
  float lanes[kLanes] = {};
  for (int i = 0; i < count; ++i) lanes[i] = p[i];
  return load(lanes);
}
inline void store_part(float* p, F16 a, int count) {
  if (count >= kLanes) return store(p, a);
  float lanes[kLanes];
  store(lanes, a);
  for (int i = 0; i < count; ++i) p[i] = lanes[i];
}

// Fold sixteen floats into one by halves: i with i + 8, then i + 4, i + 2, i + 1.
#if defined(MAT_ROS_AVX512) || defined(MAT_ROS_AVX2)
inline float sum(F16 a) {
  const __m256 eight = _mm256_add_ps(halves(a, false), halves(a, true));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
#else
inline float sum(F16 a) {
  float lanes[kLanes];
  store(lanes, a);
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] = lanes[i] + lanes[i + half];
  }
  return lanes[0];
}
#endif

constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: adding this number rounds to an integer

// e^x to two units in the last place; 0 below the smallest normal number, constant above x = 88, NaN for NaN.
inline F16 exp(F16 x) {
  const F16 low = fill(-87.0f);
  const F16 inside = min(fill(88.0f), max(low, x));
  const F16 shifted = fma(inside, fill(1.44269504f), fill(kRounder));  // log2(e)
  const F16 k = shifted - fill(kRounder);
  F16 r = fma(k, fill(-0.693359375f), inside);  // ln 2 in two parts
  r = fma(k, fill(2.12194440e-4f), r);
  F16 p = fill(1.0f / 5040.0f);
  p = fma(p, r, fill(1.0f / 720.0f));
  p = fma(p, r, fill(1.0f / 120.0f));
  p = fma(p, r, fill(1.0f / 24.0f));
  p = fma(p, r, fill(1.0f / 6.0f));
  p = fma(p, r, fill(0.5f));
  p = fma(p, r, fill(1.0f));
  p = fma(p, r, fill(1.0f));
  return zero_below(x, low, p * power_of_two(shifted));
}

inline F16 sigmoid(F16 x) { return fill(1.0f) / (fill(1.0f) + exp(fill(0.0f) - x)); }

inline F16 tanh(F16 x) { return fma(fill(2.0f), sigmoid(x + x), fill(-1.0f)); }

// The error function to 2e-7 (Abramowitz and Stegun, 7.1.26).
inline F16 erf(F16 x) {
  const F16 size = max(x, fill(0.0f) - x);
  const F16 t = fill(1.0f) / fma(size, fill(0.3275911f), fill(1.0f));
  F16 p = fill(1.061405429f);
  p = fma(p, t, fill(-1.453152027f));
  p = fma(p, t, fill(1.421413741f));
  p = fma(p, t, fill(-0.284496736f));
  p = fma(p, t, fill(0.254829592f));
  return with_sign(fill(1.0f) - p * t * exp(fill(0.0f) - size * size), x);
}

inline F16 gelu(F16 x) { return fill(0.5f) * x * (fill(1.0f) + erf(x * fill(0.70710678f))); }
