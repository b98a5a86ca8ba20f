// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// The layers of the policies over F16. Each path_*.cpp includes this file after lanes.h, for its instruction set.
//
// Vectors are padded to whole F16s. The padding is never added to a sum.

// Numbers of output F16s and of rows that are summed at once: the largest whose sums fit into the registers.
#if defined(MAT_ROS_AVX512)
constexpr int kWide = 4, kRowsAtOnce = 4, kWideRows = 2;
#else
constexpr int kWide = 2, kRowsAtOnce = 2, kWideRows = 1;
#endif

// Returns pieces of a workspace, each on a 64-byte boundary.
class Workspace {
 public:
  explicit Workspace(float* start) : next_(start) {}
  float* take(size_t floats) {
    float* piece = next_;
    next_ += (floats + kLanes - 1) / kLanes * kLanes;
    return piece;
  }

 private:
  float* next_;
};

// Sum inputs 0, 2, 4, ... and inputs 1, 3, 5, ... separately, then add both sums. Two chains hide the latency of the
// multiply-adds. Every block shape below sums every output in this order, so that the bits do not depend on the shape.
template <int kRows, int kVectors>
inline void linear_block(const Linear& layer, const float* weight, int width, const float* bias, const float* x,
                         size_t x_stride, float* y, size_t y_stride) {
  F16 even[kRows][kVectors], odd[kRows][kVectors];
  for (int v = 0; v < kVectors; ++v) {
    const F16 start = load(bias + v * kLanes);
    for (int r = 0; r < kRows; ++r) {
      even[r][v] = start;
      odd[r][v] = fill(0.0f);
    }
  }
  int i = 0;
  for (; i + 1 < layer.in; i += 2, weight += 2 * width) {
    for (int v = 0; v < kVectors; ++v) {
      const F16 first = load(weight + v * kLanes), second = load(weight + width + v * kLanes);
      for (int r = 0; r < kRows; ++r) {
        even[r][v] = fma(first, fill(x[r * x_stride + i]), even[r][v]);
        odd[r][v] = fma(second, fill(x[r * x_stride + i + 1]), odd[r][v]);
      }
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    for (int r = 0; r < kRows; ++r) {
      if (i < layer.in) even[r][v] = fma(load(weight + v * kLanes), fill(x[r * x_stride + i]), even[r][v]);
      store(y + r * y_stride + v * kLanes, even[r][v] + odd[r][v]);
    }
  }
}

// y = W x + bias for kRows rows; x has `in` floats per row, y padded(out).
template <int kRows>
inline void linear_rows(const Linear& layer, const float* x, size_t x_stride, float* y, size_t y_stride) {
  constexpr int kVectors = kRows == 1 ? kWide : kWideRows;
  for (int panel = 0; panel < padded(layer.out); panel += kPanel) {
    const int width = padded(layer.out) - panel < kPanel ? padded(layer.out) - panel : kPanel;
    const float* weight = layer.weight + static_cast<size_t>(panel) * layer.in;
    const float* bias = layer.bias + panel;
    float* out = y + panel;
    int o = 0;
    for (; o + kVectors * kLanes <= width; o += kVectors * kLanes) {
      linear_block<kRows, kVectors>(layer, weight + o, width, bias + o, x, x_stride, out + o, y_stride);
    }
    for (; o < width; o += kLanes) {
      linear_block<kRows, 1>(layer, weight + o, width, bias + o, x, x_stride, out + o, y_stride);
    }
  }
}

inline void linear(const Linear& layer, const float* x, float* y) { linear_rows<1>(layer, x, 0, y, 0); }

inline void linear(const Linear& layer, int rows, const float* x, size_t x_stride, float* y, size_t y_stride) {
  int r = 0;
  for (; r + kRowsAtOnce <= rows; r += kRowsAtOnce) {
    linear_rows<kRowsAtOnce>(layer, x + r * x_stride, x_stride, y + r * y_stride, y_stride);
  }
  for (; r < rows; ++r) linear_rows<1>(layer, x + r * x_stride, 0, y + r * y_stride, 0);
}

// y = gain (x - mean) / sqrt(variance + eps) + bias over `size` neighbours; y may be x.
inline void norm(int size, float eps, const float* gain, const float* bias, const float* x, float* y) {
  F16 total = fill(0.0f);
  for (int c = 0; c < size; c += kLanes) total = total + load_part(x + c, size - c);
  const float inverse_size = 1.0f / static_cast<float>(size);
  const F16 mean = fill(sum(total) * inverse_size);
  F16 squares = fill(0.0f);
  for (int c = 0; c < size; c += kLanes) {
    F16 apart = load_part(x + c, size - c) - mean;
    if (size - c < kLanes) {
      float lanes[kLanes];
      store(lanes, apart);
      apart = load_part(lanes, size - c);  // the padding must not count
    }
    squares = fma(apart, apart, squares);
  }
  const F16 scale = fill(1.0f / __builtin_sqrtf(sum(squares) * inverse_size + eps));
  for (int c = 0; c < size; c += kLanes) {
    const int left = size - c;
    const F16 normal = (load_part(x + c, left) - mean) * scale;
    store_part(y + c, fma(normal, load_part(gain + c, left), load_part(bias + c, left)), left);
  }
}

inline void norm(const Norm& layer, const float* x, float* y) {  // LayerNorm
  norm(layer.size, 1e-5f, layer.gain, layer.bias, x, y);
}

inline void gelu(float* x, int n) {
  for (int c = 0; c < n; c += kLanes) store(x + c, gelu(load(x + c)));
}

inline void add(float* x, const float* y, int n) {
  for (int c = 0; c < n; c += kLanes) store(x + c, load(x + c) + load(y + c));
}

inline void head(const Head& layer, const float* x, float* hidden, float* y) {
  linear(layer.hidden, x, hidden);
  gelu(hidden, layer.norm.size);
  norm(layer.norm, hidden, hidden);
  linear(layer.out, hidden, y);
}

// ---- attention ------------------------------------------------------------------------------------------------------

// Average `rows` values per head, weighted by the match of their keys with the query. Keys and values lie `stride`
// floats apart.
inline void attend(const float* query, const float* keys, const float* values, size_t stride, int rows, int heads,
                   int width, float* scores, float* y) {
  const int size = width / heads;
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(size));
  for (int h = 0; h < heads; ++h) {
    const int from = h * size;
    float top = -3.0e38f;
    for (int r = 0; r < rows; ++r) {
      const float* key = keys + r * stride + from;
      F16 dot = fill(0.0f);
      for (int c = 0; c < size; c += kLanes) {
        dot = fma(load_part(query + from + c, size - c), load_part(key + c, size - c), dot);
      }
      scores[r] = sum(dot) * scale;
      top = top > scores[r] ? top : scores[r];
    }
    for (int r = rows; r < padded(rows); ++r) scores[r] = -3.0e38f;  // has weight 0
    F16 total = fill(0.0f);
    for (int r = 0; r < rows; r += kLanes) {
      const F16 weight = exp(load(scores + r) - fill(top));
      store(scores + r, weight);
      total = total + weight;
    }
    const F16 share = fill(1.0f / sum(total));
    for (int c = 0; c < size; c += kLanes) {
      F16 mixed = fill(0.0f);
      for (int r = 0; r < rows; ++r) {
        mixed = fma(fill(scores[r]), load_part(values + r * stride + from + c, size - c), mixed);
      }
      store_part(y + from + c, mixed * share, size - c);
    }
  }
}

// ---- RWKV -----------------------------------------------------------------------------------------------------------

inline F16 blend(F16 x, F16 before, const float* mix) { return fma(x - before, load(mix), before); }

// A weighted mean as (num, den) scaled by e^-top: the running state of RWKV-4, one channel per lane.
struct Mean {
  F16 num, den, top;
};

// Multiply all weights in `mean` by e^-rate and add `value` with weight e^key.
inline Mean remember(Mean mean, F16 rate, F16 key, F16 value) {
  const F16 faded = mean.top - rate, top = max(faded, key);
  const F16 old = exp(faded - top), fresh = exp(key - top);
  return {fma(old, mean.num, fresh * value), fma(old, mean.den, fresh), top};
}

// Return the mean after adding `value` with weight e^(bonus + key).
inline F16 recall(Mean mean, F16 bonus, F16 key, F16 value) {
  const F16 now = bonus + key, top = max(mean.top, now);
  const F16 old = exp(mean.top - top), fresh = exp(now - top);
  return fma(old, mean.num, fresh * value) / fma(old, mean.den, fresh);
}
