// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// The policies: an encoder, a value head and a decoder, of attention or RWKV-4 blocks. MAT has attention in both,
// MARWKV has RWKV in both, and the hybrid has attention in the encoder and RWKV in the decoder.
#pragma once

#include <memory>
#include <utility>

#include "attention.hpp"
#include "rwkv.hpp"

namespace fused {

struct Kinds {
  bool encoder_attends, decoder_attends, encoder_causal;
};

// The layers are built in the order of `parameter_names` in training/fused/library.py.
struct Network {
  Sizes sizes;
  Kinds kinds;
  Norm observation_norm, embed_norm, encoder_final, action_norm, decoder_final;
  Hidden embed, action_embed;
  std::vector<SelfAttention> encoder_mixers, decoder_mixers;
  std::vector<MlpResidual> encoder_mlps, decoder_mlps;
  std::vector<CrossAttention> crosses;
  std::vector<RwkvBlock> encoder_rwkv, decoder_rwkv;
  Head value_head, action_head;

  struct Seen {
    float *obs, *normed, *embedded, *encoding, *previous, *acted, *decoded;  // obs and previous are the inputs
    NormStatistics *obs_kept, *embed_kept, *encoder_kept, *act_kept, *decoder_kept;
    Hidden::Seen embed, action_embed;
    std::vector<SelfAttention::Seen> encoder_mixers, decoder_mixers;
    std::vector<MlpResidual::Seen> encoder_mlps, decoder_mlps;
    std::vector<CrossAttention::Seen> crosses;
    std::vector<RwkvBlock::Seen> encoder_rwkv, decoder_rwkv;
    Head::Seen value, action;
    float *dobs, *denc, *dvalue, *daction, *d1, *d2, *t1, *t2, *t3, *scores;
    Seen(Scratch& s, const Sizes& z, const Kinds& kinds)
        : obs(s.rows(z.obs)), normed(s.rows(z.obs)), embedded(s.rows(z.width)), encoding(s.rows(z.width)),
          previous(s.rows(z.act)), acted(s.rows(z.width)), decoded(s.rows(z.width)), obs_kept(s.statistics()),
          embed_kept(s.statistics()), encoder_kept(s.statistics()), act_kept(s.statistics()),
          decoder_kept(s.statistics()), embed(s, z.width), action_embed(s, z.width), value(s, z.width, 1),
          action(s, z.width, z.act), dobs(s.rows(z.obs)), denc(s.rows(z.width)), dvalue(s.rows(1)),
          daction(s.rows(z.act)), d1(s.rows(z.width)), d2(s.rows(z.width)), t1(s.rows(z.width)), t2(s.rows(z.width)),
          t3(s.rows(3 * z.width)), scores(s.arena.floats(z.slots)) {
      for (int k = 0; k < z.blocks; ++k) {
        if (kinds.encoder_attends) {
          encoder_mixers.emplace_back(s, z);
          encoder_mlps.emplace_back(s, z.width);
        } else {
          encoder_rwkv.emplace_back(s, z.width, z.slots);
        }
        if (kinds.decoder_attends) {
          decoder_mixers.emplace_back(s, z);
          crosses.emplace_back(s, z);
          decoder_mlps.emplace_back(s, z.width);
        } else {
          decoder_rwkv.emplace_back(s, z.width, z.slots);
        }
      }
    }
  };

  Network(Builder& b, const Sizes& z, const Kinds& of) : sizes(z), kinds(of), observation_norm(b, z.obs) {
    embed = Hidden(b, z.obs, z.width);
    embed_norm = Norm(b, z.width);
    for (int k = 0; k < z.blocks; ++k) {
      if (kinds.encoder_attends) {
        encoder_mixers.emplace_back(b, z, false);
        encoder_mlps.emplace_back(b, z.width);
      } else {
        encoder_rwkv.emplace_back(b, z.width, z.slots, kinds.encoder_causal);
      }
    }
    if (!kinds.encoder_attends) encoder_final = Norm(b, z.width);
    value_head = Head(b, z.width, 1);
    action_embed = Hidden(b, z.act, z.width);
    if (kinds.decoder_attends) action_norm = Norm(b, z.width);
    for (int k = 0; k < z.blocks; ++k) {
      if (kinds.decoder_attends) {
        decoder_mixers.emplace_back(b, z, true);
        crosses.emplace_back(b, z);
        decoder_mlps.emplace_back(b, z.width);
      } else {
        decoder_rwkv.emplace_back(b, z.width, z.slots, true);
      }
    }
    if (!kinds.decoder_attends) decoder_final = Norm(b, z.width);
    action_head = Head(b, z.width, z.act);
  }

  void pack(const float* p) {
    for (Norm* norm : {&observation_norm, &embed_norm}) norm->pack(p);
    if (kinds.decoder_attends) action_norm.pack(p);
    else decoder_final.pack(p);
    if (!kinds.encoder_attends) encoder_final.pack(p);
    embed.linear.pack(p);
    action_embed.linear.pack(p);
    value_head.pack(p);
    action_head.pack(p);
    for (auto& m : encoder_mixers) m.pack(p);
    for (auto& m : encoder_mlps) m.pack(p);
    for (auto& m : decoder_mixers) m.pack(p);
    for (auto& m : crosses) m.pack(p);
    for (auto& m : decoder_mlps) m.pack(p);
    for (auto& m : encoder_rwkv) m.pack(p);
    for (auto& m : decoder_rwkv) m.pack(p);
  }

  const float* encoding(const Seen& seen) const {
    return kinds.encoder_attends ? seen.encoder_mlps.back().result : seen.encoding;
  }

  void encode(Seen& seen, Rows rows) const {
    observation_norm.forward(seen.obs, seen.normed, seen.obs_kept, rows);
    embed.forward(seen.normed, seen.embed, rows);
    embed_norm.forward(seen.embed.out, seen.embedded, seen.embed_kept, rows);
    const float* x = seen.embedded;
    for (int k = 0; k < sizes.blocks; ++k) {
      if (kinds.encoder_attends) {
        encoder_mixers[k].forward(x, seen.encoder_mixers[k], rows);
        encoder_mlps[k].forward(seen.encoder_mixers[k].result, seen.encoder_mlps[k], rows);
        x = seen.encoder_mlps[k].result;
      } else {
        encoder_rwkv[k].forward(x, seen.encoder_rwkv[k], rows);
        x = seen.encoder_rwkv[k].result;
      }
    }
    if (!kinds.encoder_attends) encoder_final.forward(x, seen.encoding, seen.encoder_kept, rows);
    value_head.forward(encoding(seen), seen.value, rows);
  }

  void decode(Seen& seen, Rows rows) const {
    action_embed.forward(seen.previous, seen.action_embed, rows);
    if (kinds.decoder_attends) {
      action_norm.forward(seen.action_embed.out, seen.acted, seen.act_kept, rows);
      const float* x = seen.acted;
      for (int k = 0; k < sizes.blocks; ++k) {
        decoder_mixers[k].forward(x, seen.decoder_mixers[k], rows);
        crosses[k].forward(encoding(seen), seen.decoder_mixers[k].result, seen.crosses[k], rows);
        decoder_mlps[k].forward(seen.crosses[k].result, seen.decoder_mlps[k], rows);
        x = seen.decoder_mlps[k].result;
      }
      action_head.forward(x, seen.action, rows);
      return;
    }
    for (int r = 0; r < rows.count; ++r)
      std::memcpy(seen.acted + static_cast<long>(rows.at(r)) * sizes.width,
                  seen.action_embed.out + static_cast<long>(rows.at(r)) * sizes.width, sizeof(float) * sizes.width);
    add_rows(seen.acted, encoding(seen), rows, sizes.width);
    const float* x = seen.acted;
    for (int k = 0; k < sizes.blocks; ++k) {
      decoder_rwkv[k].forward(x, seen.decoder_rwkv[k], rows);
      x = seen.decoder_rwkv[k].result;
    }
    decoder_final.forward(x, seen.decoded, seen.decoder_kept, rows);
    action_head.forward(seen.decoded, seen.action, rows);
  }

  // Adds the gradients of all parameters, computed from dvalue and daction, to `gradients`.
  void backward(Seen& seen, int tokens, float* gradients) const {
    value_head.backward(encoding(seen), seen.value, seen.dvalue, seen.denc, false, seen.t1, seen.t2, tokens, gradients);
    if (kinds.decoder_attends) attention_decoder_backward(seen, tokens, gradients);
    else rwkv_decoder_backward(seen, tokens, gradients);

    float *d = seen.denc, *other = seen.d1;
    if (!kinds.encoder_attends) {
      encoder_final.backward(seen.encoder_rwkv.back().result, seen.encoder_kept, d, other, false, tokens, gradients);
      std::swap(d, other);
    }
    for (int k = sizes.blocks - 1; k >= 0; --k) {
      if (kinds.encoder_attends) {
        const float* x = k ? seen.encoder_mlps[k - 1].result : seen.embedded;
        encoder_mlps[k].backward(seen.encoder_mixers[k].result, seen.encoder_mlps[k], d, other, seen.t1, tokens, gradients);
        encoder_mixers[k].backward(x, seen.encoder_mixers[k], other, d, seen.t1, seen.t3, tokens, gradients, seen.scores);
      } else {
        const float* x = k ? seen.encoder_rwkv[k - 1].result : seen.embedded;
        encoder_rwkv[k].backward(x, seen.encoder_rwkv[k], d, tokens, gradients);
      }
    }
    embed_norm.backward(seen.embed.out, seen.embed_kept, d, other, false, tokens, gradients);
    embed.backward(seen.normed, seen.embed, other, seen.dobs, false, tokens, gradients);
    observation_norm.backward(seen.obs, seen.obs_kept, seen.dobs, nullptr, false, tokens, gradients);
  }

 private:
  // Both functions add the encoding's gradient to denc.
  void attention_decoder_backward(Seen& seen, int tokens, float* gradients) const {
    float *d = seen.d1, *other = seen.d2;
    action_head.backward(seen.decoder_mlps.back().result, seen.action, seen.daction, d, false, seen.t1, seen.t2, tokens,
                         gradients);
    for (int k = sizes.blocks - 1; k >= 0; --k) {
      const float* x = k ? seen.decoder_mlps[k - 1].result : seen.acted;
      decoder_mlps[k].backward(seen.crosses[k].result, seen.decoder_mlps[k], d, other, seen.t1, tokens, gradients);
      crosses[k].backward(encoding(seen), seen.decoder_mixers[k].result, seen.crosses[k], other, seen.denc, d, seen.t1,
                          seen.t3, tokens, gradients, seen.scores);
      decoder_mixers[k].backward(x, seen.decoder_mixers[k], d, other, seen.t1, seen.t3, tokens, gradients, seen.scores);
      std::swap(d, other);
    }
    action_norm.backward(seen.action_embed.out, seen.act_kept, d, other, false, tokens, gradients);
    action_embed.backward(seen.previous, seen.action_embed, other, nullptr, false, tokens, gradients);
  }

  void rwkv_decoder_backward(Seen& seen, int tokens, float* gradients) const {
    float *d = seen.d1, *other = seen.d2;
    action_head.backward(seen.decoded, seen.action, seen.daction, other, false, seen.t1, seen.t2, tokens, gradients);
    decoder_final.backward(seen.decoder_rwkv.back().result, seen.decoder_kept, other, d, false, tokens, gradients);
    for (int k = sizes.blocks - 1; k >= 0; --k)
      decoder_rwkv[k].backward(k ? seen.decoder_rwkv[k - 1].result : seen.acted, seen.decoder_rwkv[k], d, tokens, gradients);
    add_rows(seen.denc, d, {0, 1, tokens}, sizes.width);
    action_embed.backward(seen.previous, seen.action_embed, d, nullptr, false, tokens, gradients);
  }
};

}  // namespace fused
