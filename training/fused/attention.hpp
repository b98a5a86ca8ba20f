// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// MAT's two attention layers: forward for any set of rows, backward for all rows.
#pragma once

#include "layers.hpp"

namespace fused {

struct Sizes {
  int slots, obs, act, width, blocks, heads;
};

// x -> norm(residual + attention of x)
struct SelfAttention {
  Linear query_key_value, out;
  Norm norm;
  AttentionShape shape{};
  struct Seen {
    float *qkv, *weights, *mixed, *sum, *result;
    NormStatistics* kept;
    Seen(Scratch& s, const Sizes& z)
        : qkv(s.rows(3 * z.width)), weights(s.rows(z.heads * z.slots)), mixed(s.rows(z.width)), sum(s.rows(z.width)),
          result(s.rows(z.width)), kept(s.statistics()) {}
  };
  SelfAttention() = default;
  SelfAttention(Builder& b, const Sizes& z, bool causal)
      : query_key_value(b, z.width, 3 * z.width), out(b, z.width, z.width), norm(b, z.width),
        shape{z.slots, z.heads, z.width / z.heads, causal} {}
  void pack(const float* p) {
    query_key_value.pack(p);
    out.pack(p);
    norm.pack(p);
  }
  Place part(float* qkv, int k) const { return {qkv + k * out.out, 3L * out.out}; }
  void forward(const float* x, Seen& seen, Rows rows) const {
    query_key_value.forward(x, seen.qkv, rows);
    attend(shape, part(seen.qkv, 0), part(seen.qkv, 1), part(seen.qkv, 2), seen.weights, seen.mixed, rows);
    out.forward(seen.mixed, seen.sum, rows);
    add_rows(seen.sum, x, rows, out.out);
    norm.forward(seen.sum, seen.result, seen.kept, rows);
  }
  void backward(const float* x, const Seen& seen, const float* d, float* dx, float* t, float* t3, int tokens,
                float* gradients, float* scratch) const {
    norm.backward(seen.sum, seen.kept, d, dx, false, tokens, gradients);
    out.backward(seen.mixed, dx, t, false, tokens, gradients);
    std::memset(t3, 0, sizeof(float) * 3 * out.out * tokens);
    attend_backward(shape, part(seen.qkv, 0), part(seen.qkv, 1), part(seen.qkv, 2), seen.weights, t, part(t3, 0),
                    part(t3, 1), part(t3, 2), tokens, scratch);
    query_key_value.backward(x, t3, dx, true, tokens, gradients);
  }
};

// x -> norm(encoding + attention from the encoding to x)
struct CrossAttention {
  Linear query, key_value, out;
  Norm norm;
  AttentionShape shape{};
  struct Seen {
    float *q, *kv, *weights, *mixed, *sum, *result;
    NormStatistics* kept;
    Seen(Scratch& s, const Sizes& z)
        : q(s.rows(z.width)), kv(s.rows(2 * z.width)), weights(s.rows(z.heads * z.slots)), mixed(s.rows(z.width)),
          sum(s.rows(z.width)), result(s.rows(z.width)), kept(s.statistics()) {}
  };
  CrossAttention() = default;
  CrossAttention(Builder& b, const Sizes& z)
      : query(b, z.width, z.width), key_value(b, z.width, 2 * z.width), out(b, z.width, z.width), norm(b, z.width),
        shape{z.slots, z.heads, z.width / z.heads, true} {}
  void pack(const float* p) {
    query.pack(p);
    key_value.pack(p);
    out.pack(p);
    norm.pack(p);
  }
  Place whole(float* q) const { return {q, out.out}; }
  Place part(float* kv, int k) const { return {kv + k * out.out, 2L * out.out}; }
  void forward(const float* enc, const float* x, Seen& seen, Rows rows) const {
    query.forward(enc, seen.q, rows);
    key_value.forward(x, seen.kv, rows);
    attend(shape, whole(seen.q), part(seen.kv, 0), part(seen.kv, 1), seen.weights, seen.mixed, rows);
    out.forward(seen.mixed, seen.sum, rows);
    add_rows(seen.sum, enc, rows, out.out);
    norm.forward(seen.sum, seen.result, seen.kept, rows);
  }
  // The gradient of enc is added to denc. The gradient of x is written to dx.
  void backward(const float* enc, const float* x, const Seen& seen, const float* d, float* denc, float* dx, float* t,
                float* t3, int tokens, float* gradients, float* scratch) const {
    norm.backward(seen.sum, seen.kept, d, dx, false, tokens, gradients);
    add_rows(denc, dx, {0, 1, tokens}, out.out);
    out.backward(seen.mixed, dx, t, false, tokens, gradients);
    std::memset(t3, 0, sizeof(float) * 3 * out.out * tokens);
    float* dq = t3 + 2L * out.out * tokens;
    attend_backward(shape, whole(seen.q), part(seen.kv, 0), part(seen.kv, 1), seen.weights, t, whole(dq), part(t3, 0),
                    part(t3, 1), tokens, scratch);
    query.backward(enc, dq, denc, true, tokens, gradients);
    key_value.backward(x, t3, dx, false, tokens, gradients);
  }
};

}  // namespace fused
