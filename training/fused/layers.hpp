// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Layers with hand-written gradients. All workers share the weights. Each worker has its own `Seen` (the rows that a
// layer's backward pass needs) and its own gradients, so no worker writes into another's memory.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <vector>

#include "kernels.hpp"

namespace fused {

// Zeroed, aligned memory that is freed with its owner.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() {
    for (void* block : blocks_) std::free(block);
  }
  float* floats(size_t count) {
    const size_t bytes = (count * sizeof(float) + 63) / 64 * 64;
    void* block = std::aligned_alloc(64, bytes ? bytes : 64);
    if (!block) throw std::bad_alloc();
    std::memset(block, 0, bytes);
    blocks_.push_back(block);
    return static_cast<float*>(block);
  }

 private:
  std::vector<void*> blocks_;
};

// One parameter tensor: its place among the policy's flat parameters, and its padded gradient in each worker.
struct Gradient {
  long flat;    // first float in the flat parameters
  long padded;  // first float in a worker's gradients
  int rows, columns;
};

// Counts the floats that the layers need while the network is built.
struct Builder {
  const int64_t* offsets;  // places of the parameters in the flat vector, in the order in which layers are built
  Arena* arena;
  std::vector<Gradient> gradients;
  long padded_size = 0;

  long take(int rows, int columns, long* flat) {
    *flat = static_cast<long>(*offsets++);
    const long at = padded_size;
    gradients.push_back({*flat, at, rows, columns});
    padded_size += static_cast<long>(rows) * padded(columns);
    return at;
  }
};

struct Linear {
  int in = 0, out = 0;
  long weight = 0, bias = 0, weight_gradient = 0, bias_gradient = 0;
  bool biased = true;
  float *deep = nullptr, *wide = nullptr, *shift = nullptr;  // (in, out), (out, in), (out), padded

  Linear() = default;
  Linear(Builder& b, int inputs, int outputs, bool with_bias = true) : in(inputs), out(outputs), biased(with_bias) {
    weight_gradient = b.take(outputs, inputs, &weight);
    if (biased) bias_gradient = b.take(1, outputs, &bias);
    deep = b.arena->floats(static_cast<size_t>(in) * padded(out));
    wide = b.arena->floats(static_cast<size_t>(out) * padded(in));
    shift = b.arena->floats(padded(out));
  }

  void pack(const float* parameters) {
    const float* w = parameters + weight;
    const int wide_row = padded(in), deep_row = padded(out);
    for (int o = 0; o < out; ++o) std::memcpy(wide + o * wide_row, w + static_cast<long>(o) * in, sizeof(float) * in);
    for (int from = 0; from < out; from += LANES)
      for (int i = 0; i < in; ++i)
        for (int o = from; o < out && o < from + LANES; ++o) deep[i * deep_row + o] = w[static_cast<long>(o) * in + i];
    if (biased) std::memcpy(shift, parameters + bias, sizeof(float) * out);
  }

  void forward(const float* x, float* y, Rows rows) const {
    const long from = padded(in), to = padded(out);
    product(rows.count, static_cast<int>(to), in, x + rows.first * from, rows.step * from, 1, deep, to,
            y + rows.first * to, rows.step * to, shift, false);
  }

  void backward(const float* x, const float* dy, float* dx, bool add, int tokens, float* gradients) const {
    const int from = padded(in), to = padded(out);
    product(out, from, tokens, dy, 1, to, x, from, gradients + weight_gradient, from, nullptr, true);
    if (biased) {
      float* db = gradients + bias_gradient;
      for (int t = 0; t < tokens; ++t)
        for (int k = 0; k < to; k += LANES) store(db + k, load(db + k) + load(dy + t * to + k));
    }
    if (dx) product(tokens, from, out, dy, to, 1, wide, from, dx, from, nullptr, add);
  }
};

struct Norm {
  int columns = 0;
  bool biased = true;
  long weight = 0, bias = 0, weight_gradient = 0, bias_gradient = 0;
  float *gain = nullptr, *shift = nullptr;  // padded with zeros

  Norm() = default;
  Norm(Builder& b, int width, bool with_bias = true) : columns(width), biased(with_bias) {
    weight_gradient = b.take(1, width, &weight);
    if (biased) bias_gradient = b.take(1, width, &bias);
    gain = b.arena->floats(padded(width));
    shift = b.arena->floats(padded(width));
  }
  void pack(const float* parameters) {
    std::memcpy(gain, parameters + weight, sizeof(float) * columns);
    if (biased) std::memcpy(shift, parameters + bias, sizeof(float) * columns);
  }
  void forward(const float* x, float* y, NormStatistics* kept, Rows rows) const {
    layer_norm(x, gain, shift, y, kept, rows, columns);
  }
  void backward(const float* x, const NormStatistics* kept, const float* dy, float* dx, bool add, int tokens,
                float* gradients) const {
    layer_norm_backward(x, gain, kept, dy, dx, add, gradients + weight_gradient,
                        biased ? gradients + bias_gradient : nullptr, tokens, columns);
  }
};

// A learnt vector, one number per column.
struct Vector {
  int columns = 0;
  long flat = 0, gradient = 0;
  float* value = nullptr;

  Vector() = default;
  Vector(Builder& b, int width) : columns(width) {
    gradient = b.take(1, width, &flat);
    value = b.arena->floats(padded(width));
  }
  void pack(const float* parameters) { std::memcpy(value, parameters + flat, sizeof(float) * columns); }
};

// Memory of one worker for `tokens` tokens.
struct Scratch {
  Arena arena;
  int tokens;
  explicit Scratch(int count) : tokens(count) {}
  float* rows(int columns) { return arena.floats(static_cast<size_t>(tokens) * padded(columns)); }
  NormStatistics* statistics() { return reinterpret_cast<NormStatistics*>(arena.floats(2 * static_cast<size_t>(tokens))); }
};

inline void add_rows(float* to, const float* from, Rows rows, int width) {
  for (int r = 0; r < rows.count; ++r)
    for (int k = 0, at = rows.at(r) * width; k < width; k += LANES) store(to + at + k, load(to + at + k) + load(from + at + k));
}

// Linear, then GELU. The next layer reads `out`.
struct Hidden {
  Linear linear;
  struct Seen {
    float *sum, *out;
    Seen(Scratch& s, int width) : sum(s.rows(width)), out(s.rows(width)) {}
  };
  Hidden() = default;
  Hidden(Builder& b, int in, int width) : linear(b, in, width) {}
  void forward(const float* x, Seen& seen, Rows rows) const {
    linear.forward(x, seen.sum, rows);
    gelu(seen.sum, seen.out, rows, padded(linear.out));
  }
  // d is the gradient of out; the call overwrites it.
  void backward(const float* x, const Seen& seen, float* d, float* dx, bool add, int tokens, float* gradients) const {
    gelu_backward(seen.sum, d, tokens, padded(linear.out));
    linear.backward(x, d, dx, add, tokens, gradients);
  }
};

// Linear, GELU, LayerNorm, Linear: computes the outputs of a row.
struct Head {
  Hidden hidden;
  Norm norm;
  Linear out;
  struct Seen {
    Hidden::Seen hidden;
    float *normed, *result;
    NormStatistics* kept;
    Seen(Scratch& s, int width, int outputs)
        : hidden(s, width), normed(s.rows(width)), result(s.rows(outputs)), kept(s.statistics()) {}
  };
  Head() = default;
  Head(Builder& b, int width, int outputs) : hidden(b, width, width), norm(b, width), out(b, width, outputs) {}
  void pack(const float* p) {
    hidden.linear.pack(p);
    norm.pack(p);
    out.pack(p);
  }
  void forward(const float* x, Seen& seen, Rows rows) const {
    hidden.forward(x, seen.hidden, rows);
    norm.forward(seen.hidden.out, seen.normed, seen.kept, rows);
    out.forward(seen.normed, seen.result, rows);
  }
  void backward(const float* x, const Seen& seen, const float* dresult, float* dx, bool add, float* t1, float* t2, int tokens,
                float* gradients) const {
    out.backward(seen.normed, dresult, t1, false, tokens, gradients);
    norm.backward(seen.hidden.out, seen.kept, t1, t2, false, tokens, gradients);
    hidden.backward(x, seen.hidden, t2, dx, add, tokens, gradients);
  }
};

// x -> norm(x + mlp(x))
struct MlpResidual {
  Hidden hidden;
  Linear out;
  Norm norm;
  struct Seen {
    Hidden::Seen hidden;
    float *sum, *result;
    NormStatistics* kept;
    Seen(Scratch& s, int width) : hidden(s, width), sum(s.rows(width)), result(s.rows(width)), kept(s.statistics()) {}
  };
  MlpResidual() = default;
  MlpResidual(Builder& b, int width) : hidden(b, width, width), out(b, width, width), norm(b, width) {}
  void pack(const float* p) {
    hidden.linear.pack(p);
    out.pack(p);
    norm.pack(p);
  }
  void forward(const float* x, Seen& seen, Rows rows) const {
    hidden.forward(x, seen.hidden, rows);
    out.forward(seen.hidden.out, seen.sum, rows);
    add_rows(seen.sum, x, rows, padded(out.out));
    norm.forward(seen.sum, seen.result, seen.kept, rows);
  }
  // dx receives the gradient of x. It must not be d.
  void backward(const float* x, const Seen& seen, const float* d, float* dx, float* t, int tokens, float* gradients) const {
    norm.backward(seen.sum, seen.kept, d, dx, false, tokens, gradients);
    out.backward(seen.hidden.out, dx, t, false, tokens, gradients);
    hidden.backward(x, seen.hidden, t, dx, true, tokens, gradients);
  }
};

}  // namespace fused
