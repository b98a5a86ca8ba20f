// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// MAT: an attention encoder, a value head and an attention decoder, forward for any set of rows and backward for all.
#pragma once

#include <memory>

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
  // denc is added to, dx is written.
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

// Builder order: that of `parameter_names` in training/fused/library.py.
struct Mat {
  Sizes sizes;
  Norm observation_norm, embed_norm, action_norm;
  Hidden embed, action_embed;
  std::vector<SelfAttention> encoder_mixers, decoder_mixers;
  std::vector<MlpResidual> encoder_mlps, decoder_mlps;
  std::vector<CrossAttention> crosses;
  Head value_head, action_head;

  struct Seen {
    float *obs, *normed, *embedded, *previous, *acted;  // inputs: obs, previous
    NormStatistics *obs_kept, *embed_kept, *act_kept;
    Hidden::Seen embed, action_embed;
    std::vector<SelfAttention::Seen> encoder_mixers, decoder_mixers;
    std::vector<MlpResidual::Seen> encoder_mlps, decoder_mlps;
    std::vector<CrossAttention::Seen> crosses;
    Head::Seen value, action;
    float *dobs, *denc, *dvalue, *daction, *d1, *d2, *t1, *t2, *t3, *scores;
    Seen(Scratch& s, const Sizes& z)
        : obs(s.rows(z.obs)), normed(s.rows(z.obs)), embedded(s.rows(z.width)), previous(s.rows(z.act)),
          acted(s.rows(z.width)), obs_kept(s.statistics()), embed_kept(s.statistics()), act_kept(s.statistics()),
          embed(s, z.width), action_embed(s, z.width), value(s, z.width, 1), action(s, z.width, z.act),
          dobs(s.rows(z.obs)), denc(s.rows(z.width)), dvalue(s.rows(1)), daction(s.rows(z.act)), d1(s.rows(z.width)), d2(s.rows(z.width)),
          t1(s.rows(z.width)), t2(s.rows(z.width)), t3(s.rows(3 * z.width)), scores(s.arena.floats(z.slots)) {
      for (int k = 0; k < z.blocks; ++k) {
        encoder_mixers.emplace_back(s, z);
        encoder_mlps.emplace_back(s, z.width);
        decoder_mixers.emplace_back(s, z);
        crosses.emplace_back(s, z);
        decoder_mlps.emplace_back(s, z.width);
      }
    }
  };

  Mat(Builder& b, const Sizes& z)
      : sizes(z), observation_norm(b, z.obs), embed(b, z.obs, z.width) {
    embed_norm = Norm(b, z.width);
    for (int k = 0; k < z.blocks; ++k) {
      encoder_mixers.emplace_back(b, z, false);
      encoder_mlps.emplace_back(b, z.width);
    }
    value_head = Head(b, z.width, 1);
    action_embed = Hidden(b, z.act, z.width);
    action_norm = Norm(b, z.width);
    for (int k = 0; k < z.blocks; ++k) {
      decoder_mixers.emplace_back(b, z, true);
      crosses.emplace_back(b, z);
      decoder_mlps.emplace_back(b, z.width);
    }
    action_head = Head(b, z.width, z.act);
  }

  void pack(const float* p) {
    observation_norm.pack(p);
    embed.linear.pack(p);
    embed_norm.pack(p);
    action_embed.linear.pack(p);
    action_norm.pack(p);
    value_head.pack(p);
    action_head.pack(p);
    for (auto& m : encoder_mixers) m.pack(p);
    for (auto& m : encoder_mlps) m.pack(p);
    for (auto& m : decoder_mixers) m.pack(p);
    for (auto& m : crosses) m.pack(p);
    for (auto& m : decoder_mlps) m.pack(p);
  }

  const float* encoding(const Seen& seen) const { return seen.encoder_mlps.back().result; }

  void encode(Seen& seen, Rows rows) const {
    observation_norm.forward(seen.obs, seen.normed, seen.obs_kept, rows);
    embed.forward(seen.normed, seen.embed, rows);
    embed_norm.forward(seen.embed.out, seen.embedded, seen.embed_kept, rows);
    const float* x = seen.embedded;
    for (int k = 0; k < sizes.blocks; ++k) {
      encoder_mixers[k].forward(x, seen.encoder_mixers[k], rows);
      encoder_mlps[k].forward(seen.encoder_mixers[k].result, seen.encoder_mlps[k], rows);
      x = seen.encoder_mlps[k].result;
    }
    value_head.forward(x, seen.value, rows);
  }

  void decode(Seen& seen, Rows rows) const {
    action_embed.forward(seen.previous, seen.action_embed, rows);
    action_norm.forward(seen.action_embed.out, seen.acted, seen.act_kept, rows);
    const float* x = seen.acted;
    for (int k = 0; k < sizes.blocks; ++k) {
      decoder_mixers[k].forward(x, seen.decoder_mixers[k], rows);
      crosses[k].forward(encoding(seen), seen.decoder_mixers[k].result, seen.crosses[k], rows);
      decoder_mlps[k].forward(seen.crosses[k].result, seen.decoder_mlps[k], rows);
      x = seen.decoder_mlps[k].result;
    }
    action_head.forward(x, seen.action, rows);
  }

  // Gradients of dvalue and daction, added to `gradients`.
  void backward(Seen& seen, int tokens, float* gradients) const {
    const int last = sizes.blocks - 1;
    value_head.backward(encoding(seen), seen.value, seen.dvalue, seen.denc, false, seen.t1, seen.t2, tokens, gradients);
    float *d = seen.d1, *other = seen.d2;
    action_head.backward(seen.decoder_mlps[last].result, seen.action, seen.daction, d, false, seen.t1, seen.t2, tokens,
                         gradients);
    for (int k = last; k >= 0; --k) {
      const float* x = k ? seen.decoder_mlps[k - 1].result : seen.acted;
      decoder_mlps[k].backward(seen.crosses[k].result, seen.decoder_mlps[k], d, other, seen.t1, tokens, gradients);
      crosses[k].backward(encoding(seen), seen.decoder_mixers[k].result, seen.crosses[k], other, seen.denc, d, seen.t1,
                          seen.t3, tokens, gradients, seen.scores);
      decoder_mixers[k].backward(x, seen.decoder_mixers[k], d, other, seen.t1, seen.t3, tokens, gradients, seen.scores);
      std::swap(d, other);
    }
    action_norm.backward(seen.action_embed.out, seen.act_kept, d, other, false, tokens, gradients);
    action_embed.backward(seen.previous, seen.action_embed, other, nullptr, false, tokens, gradients);

    d = seen.denc;
    other = seen.d1;
    for (int k = last; k >= 0; --k) {
      const float* x = k ? seen.encoder_mlps[k - 1].result : seen.embedded;
      encoder_mlps[k].backward(seen.encoder_mixers[k].result, seen.encoder_mlps[k], d, other, seen.t1, tokens, gradients);
      encoder_mixers[k].backward(x, seen.encoder_mixers[k], other, d, seen.t1, seen.t3, tokens, gradients, seen.scores);
    }
    embed_norm.backward(seen.embed.out, seen.embed_kept, d, other, false, tokens, gradients);
    embed.backward(seen.normed, seen.embed, other, seen.dobs, false, tokens, gradients);
    observation_norm.backward(seen.obs, seen.obs_kept, seen.dobs, nullptr, false, tokens, gradients);
  }
};

}  // namespace fused
