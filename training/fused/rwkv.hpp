// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// The RWKV-4 block: time mixing and channel mixing across slots. Both read the previous slot's row.
//
// The equations stand in training/models/rwkv4.py and wkv_reference.py. This is their parallel form: one slot computed
// alone reads the same keys and values as all slots computed together.
#pragma once

#include "layers.hpp"

namespace fused {

constexpr float LOG_DECAY_LIMIT = 60.0f;

inline Vec sigmoid(Vec x) {
  const Vec e = exponential(x < 0.0f ? x : -x);
  const Vec up = 1.0f / (1.0f + e);
  return x < 0.0f ? e * up : up;
}

// z = before + (x - before) * mix. `before` is the previous slot's row, or zero for the first slot.
inline void blend(const float* x, const Vector& mix, float* z, Rows rows, int slots) {
  const int width = padded(mix.columns);
  for (int r = 0; r < rows.count; ++r) {
    const long at = static_cast<long>(rows.at(r)) * width;
    const bool first = rows.at(r) % slots == 0;
    for (int k = 0; k < width; k += LANES) {
      const Vec before = first ? Vec{} : load(x + at - width + k);
      store(z + at + k, before + (load(x + at + k) - before) * load(mix.value + k));
    }
  }
}

inline void blend_backward(const float* x, const Vector& mix, const float* dz, float* dx, int tokens, int slots,
                           float* gradients) {
  const int width = padded(mix.columns);
  float* dmix = gradients + mix.gradient;
  for (int t = 0; t < tokens; ++t) {
    const long at = static_cast<long>(t) * width;
    const bool first = t % slots == 0;
    for (int k = 0; k < width; k += LANES) {
      const Vec d = load(dz + at + k), m = load(mix.value + k), before = first ? Vec{} : load(x + at - width + k);
      store(dmix + k, load(dmix + k) + d * (load(x + at + k) - before));
      store(dx + at + k, load(dx + at + k) + d * m);
      if (!first) store(dx + at - width + k, load(dx + at - width + k) + d * (1.0f - m));
    }
  }
}

struct RwkvBlock {
  Norm mixer_norm, channel_norm;
  Vector mix_key, mix_value, mix_receptance, log_decay, bonus, channel_mix_key, channel_mix_receptance;
  Linear key, value, receptance, out, channel_key, channel_receptance, channel_value;
  int width = 0, slots = 0;
  bool causal = true;

  struct Seen {
    float *normed, *for_key, *for_value, *for_gate, *key, *value, *gate, *weights, *average, *gated, *middle;
    float *channel_normed, *channel_for_key, *channel_for_gate, *hidden, *squared, *channel_gate, *thought, *result;
    NormStatistics *kept, *channel_kept;
    float *d1, *d2, *d3, *d4;  // scratch of the backward pass; d4 has the width of the hidden rows
    Seen(Scratch& s, int width, int slots)
        : normed(s.rows(width)), for_key(s.rows(width)), for_value(s.rows(width)), for_gate(s.rows(width)),
          key(s.rows(width)), value(s.rows(width)), gate(s.rows(width)), weights(s.rows(width * slots)),
          average(s.rows(width)), gated(s.rows(width)), middle(s.rows(width)), channel_normed(s.rows(width)),
          channel_for_key(s.rows(width)), channel_for_gate(s.rows(width)), hidden(s.rows(4 * width)),
          squared(s.rows(4 * width)), channel_gate(s.rows(width)), thought(s.rows(width)), result(s.rows(width)),
          kept(s.statistics()), channel_kept(s.statistics()), d1(s.rows(width)), d2(s.rows(width)), d3(s.rows(width)),
          d4(s.rows(4 * width)) {}
  };

  RwkvBlock() = default;
  RwkvBlock(Builder& b, int d, int n, bool is_causal) : width(d), slots(n), causal(is_causal) {
    mixer_norm = Norm(b, d, false);
    mix_key = Vector(b, d);
    mix_value = Vector(b, d);
    mix_receptance = Vector(b, d);
    log_decay = Vector(b, d);
    bonus = Vector(b, d);
    key = Linear(b, d, d, false);
    value = Linear(b, d, d, false);
    receptance = Linear(b, d, d, false);
    out = Linear(b, d, d, false);
    channel_norm = Norm(b, d, false);
    channel_mix_key = Vector(b, d);
    channel_key = Linear(b, d, 4 * d, false);
    channel_mix_receptance = Vector(b, d);
    channel_receptance = Linear(b, d, d, false);
    channel_value = Linear(b, 4 * d, d, false);
  }

  void pack(const float* p) {
    for (Norm* norm : {&mixer_norm, &channel_norm}) norm->pack(p);
    for (Vector* v : {&mix_key, &mix_value, &mix_receptance, &log_decay, &bonus, &channel_mix_key, &channel_mix_receptance})
      v->pack(p);
    for (Linear* l : {&key, &value, &receptance, &out, &channel_key, &channel_receptance, &channel_value}) l->pack(p);
  }

  Vec rate(int k) const {
    Vec found = load(log_decay.value + k);
    for (int lane = 0; lane < LANES; ++lane) found[lane] = std::exp(std::min(found[lane], LOG_DECAY_LIMIT));
    return found;
  }

  // weights (token, slot, width): the share of each slot's value in the average of a token's values.
  void average(const Seen& seen, Rows rows) const {
    for (int k = 0; k < width; k += LANES) {
      const Vec fade = rate(k), extra = load(bonus.value + k);
      for (int r = 0; r < rows.count; ++r) {
        const int token = rows.at(r), slot = token % slots, begin = token - slot, last = causal ? slot : slots - 1;
        float* weights = seen.weights + (static_cast<long>(token) * slots) * width + k;
        Vec most = splat(-1e30f), total{}, sum{};
        for (int i = 0; i <= last; ++i) {
          const int apart = i < slot ? slot - i : i - slot;
          const Vec score = load(seen.key + static_cast<long>(begin + i) * width + k) +
                            (apart ? fade * static_cast<float>(1 - apart) : extra);
          most = score > most ? score : most;
          store(weights + static_cast<long>(i) * width, score);
        }
        for (int i = 0; i <= last; ++i) {
          const Vec weight = exponential(load(weights + static_cast<long>(i) * width) - most);
          store(weights + static_cast<long>(i) * width, weight);
          total += weight;
        }
        for (int i = 0; i <= last; ++i) {
          const Vec weight = load(weights + static_cast<long>(i) * width) / total;
          store(weights + static_cast<long>(i) * width, weight);
          sum += weight * load(seen.value + static_cast<long>(begin + i) * width + k);
        }
        store(seen.average + static_cast<long>(token) * width + k, sum);
      }
    }
  }

  // The gradients are written to dkey and dvalue.
  void average_backward(const Seen& seen, const float* d, float* dkey, float* dvalue, int tokens, float* gradients) const {
    std::memset(dkey, 0, sizeof(float) * tokens * width);
    std::memset(dvalue, 0, sizeof(float) * tokens * width);
    for (int k = 0; k < width; k += LANES) {
      const Vec fade = rate(k);
      Vec dfade{}, dextra{};
      for (int token = 0; token < tokens; ++token) {
        const int slot = token % slots, begin = token - slot, last = causal ? slot : slots - 1;
        const float* weights = seen.weights + (static_cast<long>(token) * slots) * width + k;
        const Vec up = load(d + static_cast<long>(token) * width + k);
        const Vec mean = load(seen.average + static_cast<long>(token) * width + k);
        for (int i = 0; i <= last; ++i) {
          const long at = static_cast<long>(begin + i) * width + k;
          const int apart = i < slot ? slot - i : i - slot;
          const Vec weight = load(weights + static_cast<long>(i) * width);
          const Vec dscore = weight * up * (load(seen.value + at) - mean);
          store(dvalue + at, load(dvalue + at) + weight * up);
          store(dkey + at, load(dkey + at) + dscore);
          if (apart) dfade += dscore * static_cast<float>(1 - apart);
          else dextra += dscore;
        }
      }
      float* ddecay = gradients + log_decay.gradient + k;
      float* dbonus = gradients + bonus.gradient + k;
      store(ddecay, load(ddecay) + (load(log_decay.value + k) > LOG_DECAY_LIMIT ? Vec{} : dfade * fade));
      store(dbonus, load(dbonus) + dextra);
    }
  }

  void forward(const float* x, const Seen& seen, Rows rows) const {
    mixer_norm.forward(x, seen.normed, seen.kept, rows);
    blend(seen.normed, mix_key, seen.for_key, rows, slots);
    blend(seen.normed, mix_value, seen.for_value, rows, slots);
    blend(seen.normed, mix_receptance, seen.for_gate, rows, slots);
    key.forward(seen.for_key, seen.key, rows);
    value.forward(seen.for_value, seen.value, rows);
    receptance.forward(seen.for_gate, seen.gate, rows);
    average(seen, rows);
    each(rows, width, [&](long at) {
      const Vec gate = sigmoid(load(seen.gate + at));
      store(seen.gate + at, gate);
      store(seen.gated + at, gate * load(seen.average + at));
    });
    out.forward(seen.gated, seen.middle, rows);
    add_rows(seen.middle, x, rows, width);

    channel_norm.forward(seen.middle, seen.channel_normed, seen.channel_kept, rows);
    blend(seen.channel_normed, channel_mix_key, seen.channel_for_key, rows, slots);
    blend(seen.channel_normed, channel_mix_receptance, seen.channel_for_gate, rows, slots);
    channel_key.forward(seen.channel_for_key, seen.hidden, rows);
    each(rows, 4 * width, [&](long at) {
      const Vec h = load(seen.hidden + at), positive = h > 0.0f ? h : Vec{};
      store(seen.squared + at, positive * positive);
    });
    channel_value.forward(seen.squared, seen.thought, rows);
    channel_receptance.forward(seen.channel_for_gate, seen.channel_gate, rows);
    each(rows, width, [&](long at) {
      const Vec gate = sigmoid(load(seen.channel_gate + at));
      store(seen.channel_gate + at, gate);
      store(seen.result + at, load(seen.middle + at) + gate * load(seen.thought + at));
    });
  }

  // d holds the gradient of the result before and of x after.
  void backward(const float* x, const Seen& seen, float* d, int tokens, float* gradients) const {
    const Rows all{0, 1, tokens};
    float *dthought = seen.d1, *dgate = seen.d2, *dnormed = seen.d3;
    each(all, width, [&](long at) {
      const Vec up = load(d + at), gate = load(seen.channel_gate + at);
      store(dthought + at, up * gate);
      store(dgate + at, up * load(seen.thought + at) * gate * (1.0f - gate));
    });
    channel_value.backward(seen.squared, dthought, seen.d4, false, tokens, gradients);
    each(all, 4 * width, [&](long at) {
      const Vec h = load(seen.hidden + at);
      store(seen.d4 + at, h > 0.0f ? 2.0f * h * load(seen.d4 + at) : Vec{});
    });
    std::memset(dnormed, 0, sizeof(float) * tokens * width);
    channel_key.backward(seen.channel_for_key, seen.d4, seen.d1, false, tokens, gradients);
    blend_backward(seen.channel_normed, channel_mix_key, seen.d1, dnormed, tokens, slots, gradients);
    channel_receptance.backward(seen.channel_for_gate, dgate, seen.d1, false, tokens, gradients);
    blend_backward(seen.channel_normed, channel_mix_receptance, seen.d1, dnormed, tokens, slots, gradients);
    channel_norm.backward(seen.middle, seen.channel_kept, dnormed, d, true, tokens, gradients);

    out.backward(seen.gated, d, seen.d1, false, tokens, gradients);
    each(all, width, [&](long at) {
      const Vec up = load(seen.d1 + at), gate = load(seen.gate + at);
      store(seen.d1 + at, up * gate);
      store(seen.d2 + at, up * load(seen.average + at) * gate * (1.0f - gate));
    });
    float *dkey = seen.d4, *dvalue = seen.d4 + static_cast<long>(tokens) * width;
    float* dblend = seen.d4 + 2L * tokens * width;
    average_backward(seen, seen.d1, dkey, dvalue, tokens, gradients);
    std::memset(dnormed, 0, sizeof(float) * tokens * width);
    key.backward(seen.for_key, dkey, dblend, false, tokens, gradients);
    blend_backward(seen.normed, mix_key, dblend, dnormed, tokens, slots, gradients);
    value.backward(seen.for_value, dvalue, dblend, false, tokens, gradients);
    blend_backward(seen.normed, mix_value, dblend, dnormed, tokens, slots, gradients);
    receptance.backward(seen.for_gate, seen.d2, dblend, false, tokens, gradients);
    blend_backward(seen.normed, mix_receptance, dblend, dnormed, tokens, slots, gradients);
    mixer_norm.backward(x, seen.kept, dnormed, d, true, tokens, gradients);
  }

 private:
  template <class F>
  static void each(Rows rows, int columns, F f) {
    for (int r = 0; r < rows.count; ++r)
      for (int k = 0; k < columns; k += LANES) f(static_cast<long>(rows.at(r)) * columns + k);
  }
};

}  // namespace fused
